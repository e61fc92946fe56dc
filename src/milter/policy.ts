/**
 * What a filter is written against. A filter says what it wants to see and what it may change, and answers with
 * values; the session negotiates, keeps the order of answers, and writes. Nothing here touches a socket, a timer or
 * the wire.
 *
 *     const policy: MilterPolicy<undefined, { seen: boolean }> = {
 *       edits: ['insert-header'],
 *       newTransaction: () => ({ seen: false }),
 *       header: ({ state }, { name }) => {
 *         if (name.toLowerCase() === 'x-seen') state.seen = true;
 *       },
 *       eom: ({ state }) => (state.seen ? reject : { kind: 'continue', edits: [insertHeader('X-Seen', 'yes')] }),
 *     };
 *
 * Strings from the MTA are octets, one to a character (latin1), and strings to the MTA are too: text that holds
 * characters beyond U+00FF must be encoded by the filter (`Buffer.from(text).toString('latin1')`), or they become
 * `?`.
 */
import type { Ip } from '../mail/ip.js';

/**
 * A filter. A handler that is missing costs nothing: the MTA is asked not to send what nobody sees.
 *
 * A handler answers at once or by promise; no answer means `continue`. While a promise is pending nothing later of
 * the same connection is handled. When the mail or the connection is gone meanwhile, the `signal` of its context is
 * aborted and the answer is dropped. A handler that throws or rejects makes a `tempfail` of what it was asked about.
 *
 * `S` is the state of a session (an SMTP session), `T` that of a transaction (MAIL … end of message).
 */
export type MilterPolicy<S = undefined, T = undefined> = MilterWishes &
  MilterHandlers<S, T> &
  Maker<'newSession', S, []> &
  Maker<'newTransaction', T, [session: Session<S>]>;

/** A state that is not `undefined` needs its maker. */
type Maker<Name extends string, State, Arguments extends unknown[]> = undefined extends State
  ? { readonly [name in Name]?: (...given: Arguments) => State }
  : { readonly [name in Name]: (...given: Arguments) => State };

/** What is negotiated with the MTA on the filter's behalf. */
export interface MilterWishes {
  /** The edits it may make at the end of a message. Where the MTA does not offer one, see `Session.offers`. */
  readonly edits?: readonly EditKind[];
  /**
   * Macros to be sent with a command: a list replaces the MTA's own for that stage, so it has to name all that are
   * needed. Names of several letters may stand with or without braces. An MTA that takes no lists sends its own
   * choice.
   */
  readonly macros?: MacroWishes;
  /** Events whose handler only looks: what it answers is ignored, and the MTA does not wait for it (SMFIP_NR_*). */
  readonly silent?: readonly SilentEvent[];
  /**
   * Events whose handler only saves work, such as `data` for what `eom` would say as well: on a UNIX socket, where
   * nothing else makes them worth a round trip, they are not asked for.
   */
  readonly dispensable?: readonly 'data'[];
  /** Also show recipients that the MTA has refused already (SMFIP_RCPT_REJ). */
  readonly refusedRecipients?: boolean;
  /**
   * Show header values exactly, with the white space behind the colon (SMFIP_HDR_LEADSPC). Values that the filter gives
   * never have it.
   */
  readonly leadingSpace?: boolean;
  /**
   * Take larger pieces of a body, and give them, where the MTA offers that (SMFIP_MDS_256K, SMFIP_MDS_1M). It is 64K
   * otherwise.
   */
  readonly dataSize?: '256K' | '1M';
}

export interface MilterHandlers<S, T> {
  connect?(session: Session<S>): Reaction<SessionAnswer>;
  /** HELO or EHLO; again after STARTTLS. */
  helo?(session: Session<S>): Reaction<SessionAnswer>;
  mail?(transaction: Transaction<S, T>): Reaction<Answer>;
  /** A refusal concerns this recipient only; `accept` and `discard` the whole message. */
  rcpt?(transaction: Transaction<S, T>, recipient: EnvelopePath): Reaction<Answer>;
  data?(transaction: Transaction<S, T>): Reaction<Answer>;
  header?(transaction: Transaction<S, T>, field: HeaderField): Reaction<Answer | Skip>;
  /** End of the header. */
  eoh?(transaction: Transaction<S, T>): Reaction<Answer>;
  /** A piece of the body, cut anywhere: CRLF line ends, dots unstuffed. Copy what is kept. */
  body?(transaction: Transaction<S, T>, chunk: Uint8Array): Reaction<Answer | Skip>;
  /** End of the message: the only place for edits. */
  eom?(transaction: Transaction<S, T>): Reaction<FinalAnswer>;
  /** An SMTP command the MTA does not know, as the client sent it. */
  unknown?(session: Session<S>, line: string): Reaction<SessionAnswer>;
  /** The transaction is over without an answer of this filter that settled it. */
  abort?(transaction: Transaction<S, T>): void;
  /** The session is over. Called once for each `newSession`. */
  close?(session: Session<S>): void;
}

export type MilterEvent = Exclude<keyof MilterHandlers<never, never>, 'abort' | 'close'>;
export type SilentEvent = Exclude<MilterEvent, 'eom'>;

/** No answer means `continue`. */
export type Reaction<A> = A | void | Promise<A | void>;

/** One SMTP session. */
export interface Session<S = unknown> {
  readonly state: S;
  /** Its kind is `unknown` where the MTA has sent no CONNECT. */
  readonly client: MilterClient;
  /** The argument of the last HELO or EHLO; undefined before it. */
  readonly helo: string | undefined;
  /** The value that a macro has now: that of the latest stage that has it. `name` is with or without braces. */
  macro(name: string): string | undefined;
  /** May this edit be made? Edits the MTA does not offer are left out. */
  offers(edit: EditKind): boolean;
  /** Aborted when the session ends. */
  readonly signal: AbortSignal;
}

/** One mail: MAIL … end of message. */
export interface Transaction<S = unknown, T = unknown> {
  readonly session: Session<S>;
  readonly state: T;
  readonly sender: EnvelopePath;
  /** The same as `Session.macro`. */
  macro(name: string): string | undefined;
  /** Macro `i`. Sendmail tells it from MAIL on, Postfix behind the first recipient: look at the end of the message. */
  readonly queueId: string | undefined;
  /** Aborted when the transaction is dropped, or its session ends, before this filter has settled it. */
  readonly signal: AbortSignal;
  /** Tells the MTA at the end of the message that the answer is still being worked on; nothing at other times. */
  progress(): void;
}

export type MilterClient =
  | { readonly kind: 'ip'; readonly name: string; readonly ip: Ip; readonly port: number }
  /** A UNIX socket; `path` as the MTA gives it. */
  | { readonly kind: 'unix'; readonly name: string; readonly ip: undefined; readonly path: string }
  | { readonly kind: 'unknown'; readonly name: string; readonly ip: undefined };

/** The argument of MAIL or RCPT. */
export interface EnvelopePath {
  /** As the client sent it, with its angle brackets if it had them; `<>` is the null reverse-path. */
  readonly path: string;
  /** The same without angle brackets; '' is the null reverse-path. */
  readonly address: string;
  /** ESMTP parameters as sent: `SIZE=1000`, `BODY=8BITMIME`. */
  readonly parameters: readonly string[];
}

export interface HeaderField {
  readonly name: string;
  /** Folded lines are joined by LF; the space behind the colon is not there, unless `leadingSpace` asks for it. */
  readonly value: string;
}

/** `accept`, `reject`, `tempfail` and `reply` hold for the session. */
export type SessionAnswer =
  | { readonly kind: 'continue' }
  /** No more of this session (in `connect`, `helo`) or of this message is shown to the filter. */
  | { readonly kind: 'accept' }
  /** The MTA's own 550. */
  | { readonly kind: 'reject' }
  /** The MTA's own 451. */
  | { readonly kind: 'tempfail' }
  | ReplyAnswer;

/** A reply of the filter's own making. */
export interface ReplyAnswer {
  readonly kind: 'reply';
  /** 400 to 599; 421 ends the SMTP session. */
  readonly code: number;
  /** RFC 3463, or '' for none; its class is made equal to that of `code`. */
  readonly enhanced: string;
  /**
   * One line, or several: at most 32 of 980 octets. What is not printable ASCII is taken out, so a line cannot end
   * early.
   */
  readonly text: string | readonly string[];
}

export type Answer =
  | SessionAnswer
  /** The MTA tells the client that it has accepted the message, and throws it away. */
  | { readonly kind: 'discard' };

/** `continue`, and no more events of this kind for this message. */
export interface Skip {
  readonly kind: 'skip';
}

/** Edits are made with `continue` and `accept`; all are sent in one write with the answer. */
export type FinalAnswer = Answer & { readonly edits?: readonly Edit[] };

/**
 * Changes to the message. They may stand in any order: header fields are counted as they were received, since changes
 * and deletions are sent before insertions, and deletions from the highest index down.
 */
export type Edit =
  /** The field stands behind the last one (Sendmail puts it before the first of that name). */
  | { readonly kind: 'add-header'; readonly name: string; readonly value: string }
  /** Index 0, above all fields, is the only one that means the same in every MTA. Two at 0 end up in reverse order. */
  | { readonly kind: 'insert-header'; readonly index: number; readonly name: string; readonly value: string }
  /** `index` counts from 1 the fields of that name. */
  | { readonly kind: 'change-header'; readonly name: string; readonly index: number; readonly value: string }
  | { readonly kind: 'delete-header'; readonly name: string; readonly index: number }
  | { readonly kind: 'change-sender'; readonly sender: string; readonly parameters?: readonly string[] }
  | { readonly kind: 'add-recipient'; readonly recipient: string; readonly parameters?: readonly string[] }
  | { readonly kind: 'delete-recipient'; readonly recipient: string }
  /** Its lines end in CRLF. */
  | { readonly kind: 'replace-body'; readonly body: Uint8Array }
  /** The message goes into the MTA's hold queue. */
  | { readonly kind: 'quarantine'; readonly reason: string };

export type EditKind = Edit['kind'];

/** The commands macros can be asked for. */
export type MacroStage = 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'eoh' | 'eom';
export type MacroWishes = { readonly [stage in MacroStage]?: readonly string[] };

export const proceed = { kind: 'continue' } as const;
export const accept = { kind: 'accept' } as const;
export const reject = { kind: 'reject' } as const;
export const tempfail = { kind: 'tempfail' } as const;
export const discard = { kind: 'discard' } as const;
export const skip = { kind: 'skip' } as const;

/** A reply of the filter's own making: `replyWith(550, '5.7.23', 'SPF validation failed')`. */
export const replyWith = (code: number, enhanced: string, text: string | readonly string[]): ReplyAnswer => ({
  kind: 'reply',
  code,
  enhanced,
  text,
});

/** A field above all others. */
export const insertHeader = (name: string, value: string): Edit => ({ kind: 'insert-header', index: 0, name, value });

/** Removes the field of that name that is the `index`-th, counted from 1. */
export const deleteHeader = (name: string, index: number): Edit => ({ kind: 'delete-header', name, index });
