/** What shipping has done since its start, and what is left, for monitors. */
import type { Behind } from './backlog.js';

export interface ShippedNumbers {
  /** Lines and mails that were not there before. */
  readonly lines: number;
  readonly bodies: number;
  /** Lines of the journal. */
  readonly journal: number;
  /** Lines that could not be taken. */
  readonly strange: number;
  /** Files of this host that are in the catalog alone now. */
  readonly localRemoved: number;
  /** Whether the catalog, and the store where there is one, took what was shipped last. */
  readonly isUp: boolean;
  /** Milliseconds since everything was there. */
  readonly behindMs: number;
  /** What was not there at the last look, a moment ago. */
  readonly behind: Behind;
  /** The share of `expire_size` that they, and what came since, fill. */
  readonly expiryShare: number;
  /** Mails that expired before they were shipped. */
  readonly lost: number;
  /** The server's clock against ours, in milliseconds; undefined before it was asked. */
  readonly clockOffMs: number | undefined;
}
