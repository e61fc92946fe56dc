/**
 * The refused mails that are kept, as whoever looks at them sees them: page, commands, digest. Where they are is the
 * business of whoever makes one of these. Leaves archiving to quarantine.ts.
 */
import type { ReleaseOrder, ReleaseResult } from './care/release.js';
import type { MailRef } from './disk/mail-ref.js';
import type { BrowseOptions, ListItem, Page, PageOptions } from './look/browse.js';
import type { IndexedDisposition } from './look/disposition.js';
import type { KeptMail } from './look/kept-mail.js';
import type { Stats, StatsProgress } from './look/stats.js';

export type KeptSearch = Omit<BrowseOptions, 'root'>;

/** What is kept cannot be asked for just now: the message says for people why. */
export class SourceDown extends Error {}

/** A host whose mails have not all come to where they are looked for. */
export interface HostBehind {
  readonly host: string;
  readonly mails: number;
  readonly octets: number;
  /** So long the oldest of them has waited. */
  readonly seconds: number;
}

/** Broken IO throws; where the mails are elsewhere and cannot be reached, SourceDown. */
export interface KeptMails {
  /** Yields every mail that matches, newest first. */
  all(search: KeptSearch): AsyncGenerator<ListItem>;
  page(search: Omit<PageOptions, 'root'>): Promise<Page>;
  count(search: KeptSearch, progress?: (progress: StatsProgress) => void): Promise<Stats>;
  /** What the index says of one mail; nothing where it has no line. */
  disposition(ref: MailRef): Promise<IndexedDisposition>;
  /** Tells whether the mail itself is there, and not its line alone. */
  isThere(ref: MailRef): Promise<boolean>;
  /** Undefined when the mail itself is gone. */
  open(ref: MailRef): Promise<KeptMail | undefined>;
  /** Throws before anything is sent. Several releases of one mail at once are one. */
  release(ref: MailRef, order: ReleaseOrder): Promise<ReleaseResult>;
  /** Returns `gone` where there was no such mail; `by` says who it is, for people. */
  discard(ref: MailRef, by: string): Promise<'deleted' | 'gone'>;
  /** Hosts that have waited for more than a moment to bring theirs. */
  behind(): Promise<readonly HostBehind[]>;
}
