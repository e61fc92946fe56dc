/**
 * A plugin's answer. Never undefined, and never an exception: what a plugin throws, the runner turns into `defer`.
 *
 * `reject` reads the mail to its end, archives it and answers 550; `refuse` answers 5xx at once and archives nothing.
 */
import { type Reply, reply } from './reply.js';

export type Verdict =
  | { readonly kind: 'pass' }
  /** Not asked: switched off, or settled already. */
  | { readonly kind: 'skip'; readonly why: string }
  /** As `pass`, but the operator shall read why: what could not be asked, what would have been rejected. */
  | { readonly kind: 'note'; readonly log: string }
  /** Settles the question of this hook: no further plugin is asked. */
  | { readonly kind: 'accept' }
  | Rejection
  | Points
  | Pardon
  | Rewrite
  | Route
  | Taken
  | Delay
  | { readonly kind: 'refuse'; readonly reply: Reply; readonly log: string }
  | { readonly kind: 'defer'; readonly reply: Reply; readonly log: string };

export interface Rejection {
  readonly kind: 'reject';
  /** What was wrong: the recipient (there is no such mailbox) or the mail. */
  readonly about: 'recipient' | 'mail';
  /** RFC 3463. */
  readonly enhanced: string;
  /** Public: goes into the 550 and into X-REJECT-REASON; says nothing of the configuration. */
  readonly reason: string;
  /** The lines of the 550 behind the reason, where it has several; the ID stands on the last. */
  readonly further?: readonly string[];
  /** For the operator: which marker, which value. */
  readonly log: string;
  /** The mail is archived as any that is rejected, but the client is told 250. */
  readonly discards?: boolean;
}

/** A weak sign: the mail goes on, and so many points join the sum that the plugin `score` judges. */
export interface Points {
  readonly kind: 'score';
  /** Below 0 where it speaks for the mail; at most `maxPoints` either way. */
  readonly points: number;
  /** For the operator. */
  readonly log: string;
}

/** Changes what is relayed, and nothing of what is archived: a release hands on what came. Later ones count. */
export interface Rewrite {
  readonly kind: 'rewrite';
  /**
   * All recipients, in wire form without brackets. New ones must be of a hosted domain and deliverable, or the plugin's
   * line in the list ends in `anywhere`; the others are left out, and the log says so. Where nobody is left, the mail
   * is discarded.
   */
  readonly recipients?: readonly string[];
  /** In wire form without brackets; '' is the null reverse-path. */
  readonly reversePath?: string;
  /** Lines that end in CR or LF alone are made to end in CRLF. */
  readonly body?: Uint8Array;
  readonly log: string;
}

/**
 * The plugin has the mail, and answers for it: the client is told 250, and nothing is relayed or archived. Only at the
 * hooks `dataPost` and `queue`, where there is a mail to take.
 */
export interface Taken {
  readonly kind: 'taken';
  /** Public: the text of the 250. */
  readonly text: string;
  readonly log: string;
}

/**
 * As `pass`, but the client hears the reply of this hook so much later; of several delays the longest counts. Nobody
 * waits meanwhile but the client. Once the mail is being sent it is a plain `pass`.
 */
export interface Delay {
  readonly kind: 'delay';
  /** At most `maxDelayMs`. */
  readonly ms: number;
  readonly log: string;
}

/** Clients give up after five minutes (RFC 5321 §4.5.3.2), and other servers far earlier. */
export const maxDelayMs = 60_000;

/**
 * The mail goes there, not to where its domain's mail does; the last one counts. Said at `rcpt` it is that recipient's:
 * whoever has another way is told to come in a mail of its own.
 */
export interface Route {
  readonly kind: 'route';
  /** As in the setting `relay`: `lmtp:127.0.0.1:24`, or `mx1.example.net, mx2.example.net tls=must`. */
  readonly to: string;
  readonly log: string;
}

/** Lifts a rejection, one that is there or one to come: `mail` those of the mail, `all` those of the recipient too. */
export interface Pardon {
  readonly kind: 'pardon';
  readonly lifts: 'mail' | 'all';
  readonly log: string;
}

export const pass: Verdict = Object.freeze({ kind: 'pass' });
export const accept: Verdict = Object.freeze({ kind: 'accept' });
export const skip = (why: string): Verdict => ({ kind: 'skip', why });
export const note = (log: string): Verdict => ({ kind: 'note', log });

/** What a check says that is only tried out begins so; what it would have done follows. */
export const triedOut = 'log only, would ';

/** The mail is unwanted. `reason` is public, `log` is the operator's. */
export const reject = (reason: string, log: string = reason): Verdict => ({
  kind: 'reject',
  about: 'mail',
  enhanced: '5.7.1',
  reason,
  log,
});

export const maxPoints = 1000;

/** `points` are what the sign weighs, `reason` is the operator's: clients are told who gave points, not why. */
export const score = (points: number, reason: string): Verdict => ({ kind: 'score', points, log: reason });

/** A number of points as operators write it, such as 2.5 or -3; undefined where it is none. */
export function parsePoints(text: string): number | undefined {
  const points = /^[+-]?\d{1,4}(?:\.\d{1,2})?$/.test(text) ? Number(text) : NaN;
  return Math.abs(points) <= maxPoints ? points : undefined;
}

/** Points, or a sum of them, without what floating-point arithmetic adds: 0.3, not 0.30000000000000004. */
export const rounded = (points: number): number => Number(points.toFixed(2)) + 0;

/** The mail is archived, and its sender believes it was delivered. */
export const discard = (reason: string, log: string = reason): Verdict => ({
  kind: 'reject',
  about: 'mail',
  enhanced: '5.7.1',
  reason,
  log,
  discards: true,
});

/** Changes what is relayed. */
export const rewrite = (what: Omit<Rewrite, 'kind' | 'log'>, log: string): Verdict => ({
  kind: 'rewrite',
  ...what,
  log,
});

/** The mail goes to those destinations, written as in the setting `relay`. */
export const route = (to: string, log: string = to): Verdict => ({ kind: 'route', to, log });

/** The plugin has the mail; `text` is public. */
export const taken = (text: string, log: string = text): Verdict => ({ kind: 'taken', text, log });

/** There is no such mailbox (RFC 3463: X.1.1). */
export const rejectRecipient = (reason: string, log: string = reason): Verdict => ({
  kind: 'reject',
  about: 'recipient',
  enhanced: '5.1.1',
  reason,
  log,
});

/** The reply comes so much later, in milliseconds, a minute at most. */
export const delay = (ms: number, log = ''): Verdict => ({ kind: 'delay', ms, log });

export const pardon = (log: string, lifts: 'mail' | 'all' = 'mail'): Verdict => ({ kind: 'pardon', lifts, log });

/** A 5xx at once; nothing is archived. */
export const refuse = (answer: Reply, log: string = answer.text): Verdict => ({ kind: 'refuse', reply: answer, log });

/** Try again later; `text` is public. */
export const defer = (text: string, log: string = text, answer: Reply = reply(451, '4.7.1', text)): Verdict => ({
  kind: 'defer',
  reply: answer,
  log,
});
