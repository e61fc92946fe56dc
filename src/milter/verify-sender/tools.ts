/** What the SPF policy is handed to work with: it opens, reads and writes nothing itself. */
import type { Directory } from '../../directory/directory.js';
import type { Ip } from '../../mail/ip.js';
import type { Resolver } from '../../dns/resolver.js';
import type { SpfResultCode } from '../../spf/record.js';
import type { PolicyLog } from '../policy-log.js';

export interface VerifyTools {
  readonly resolver: Resolver;
  /** The client's forward-confirmed name; undefined where it has none. Never rejects. */
  readonly clientName: (ip: Ip, signal: AbortSignal) => Promise<string | undefined>;
  /** Knows own domains; none where there is no such directory. */
  readonly directory?: Pick<Directory, 'has'> | undefined;
  readonly log: PolicyLog;
  readonly observe: (event: Observation) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Log how each result came about, at debug. */
  readonly trace: boolean;
}

/** How a message left us; `skipped`: nothing was verified. */
export type MessageVerdict = 'passed' | 'refused' | 'held' | 'skipped';

/** What is worth counting. */
export type Observation =
  | {
      readonly kind: 'result';
      readonly identity: 'helo' | 'mailfrom';
      readonly result: SpfResultCode;
      /** How long the evaluation took. */
      readonly milliseconds: number;
    }
  /** Mail that names an own domain as its sender. */
  | { readonly kind: 'own'; readonly result: SpfResultCode }
  | { readonly kind: 'message'; readonly verdict: MessageVerdict }
  | { readonly kind: 'session'; readonly change: 1 | -1 };
