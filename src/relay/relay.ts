/**
 * Hands accepted mail to the MTA behind and tells what that said: its 250, its 4xx, its 5xx, or nothing. Where there
 * are several, the next one is tried as long as none can have the mail. Leaves what the client is answered, and what is
 * remembered of refused recipients, to the caller, one mail's way over a connection to transaction.ts, connections to
 * pool.ts, and which MTA is next to ways.ts.
 */
import { errorText } from '../mail/error-text.js';
import type { Ip } from '../mail/ip.js';
import type { MessageSource } from '../mail/message.js';
import { type Reply, replyText } from '../mail/reply.js';
import { asciiText } from '../mail/text.js';
import { askRecipient, type Probe } from './asking/probe.js';
import { Probes } from './asking/probes.js';
import { ConnectionLost, type MtaConnection, WrongServer } from './connection/mta-connection.js';
import type { OpeningOptions } from './connection/opening.js';
import { MailDeadline } from './deadline.js';
import { type DestinationList, takesOneRecipient } from './destination/destination.js';
import { type Way, Ways } from './destination/ways.js';
import { malformed, type RequestedDsn } from './envelope.js';
import { AllBusy, MtaPool } from './pool.js';
import { handOver, type RelayOutcome } from './transaction.js';

export interface RelayRequest {
  /** Where it goes; where all mail does that has no destination of its own, if it is not given. */
  readonly to?: DestinationList | undefined;
  readonly clientIp: Ip;
  /** '' when unknown. */
  readonly clientName: string;
  readonly helo: string;
  readonly protocol: 'SMTP' | 'ESMTP';
  /** In wire form, without brackets; '' is the null reverse-path. */
  readonly reversePath: string;
  /** In wire form, without brackets. */
  readonly recipients: readonly string[];
  /** The client asked for SMTPUTF8: an address or a header field needs it (RFC 6531). */
  readonly smtputf8: boolean;
  readonly eightBit: boolean;
  readonly dsn?: RequestedDsn | undefined;
  /** Our own fields, to stand on top of the message; lines end in CRLF. */
  readonly head: Buffer;
  readonly message: MessageSource;
}

export type RelayResult = RelayVerdict & {
  /** As an operator would write it: who said so, or was asked last. */
  readonly destination?: string;
};

export type RelayVerdict =
  /** The MTA has it; `text` is its reply without the codes, its queue id included, in printable ASCII. */
  | { readonly kind: 'accepted'; readonly text: string }
  /** The MTA's own 4xx or 5xx; its 421 as 451. Nothing was handed over. */
  | { readonly kind: 'refused'; readonly reply: Reply }
  /** The MTA took the envelope and said 5xx behind the message, for what it holds. Nothing was handed over. */
  | { readonly kind: 'message refused'; readonly reply: Reply }
  /** The MTA took some recipients and refused these. Nothing was handed over. */
  | { readonly kind: 'partly'; readonly refused: ReadonlyMap<string, Reply> }
  /**
   * No verdict: down, silent, broken off. Where it fell silent behind the end of data it may have the mail. `problem`
   * is for the log.
   */
  | { readonly kind: 'unreachable'; readonly problem: string };

export interface Relay {
  /** Never rejects; settles within `timeoutMs`. */
  send(request: RelayRequest): Promise<RelayResult>;
  /**
   * Would the MTA there take this recipient? Asked by RCPT without a mail, remembered for a while. Never rejects;
   * settles within 5 s.
   */
  probe(recipient: string, to?: DestinationList): Promise<Probe>;
  /** Ends unused connections but one in a moment: no client is there who might send a mail. */
  rest(): void;
  /** Waits for the mails under way, then ends all sessions. Later mails are `unreachable`. */
  close(): Promise<void>;
}

export interface RelayOptions extends Pick<OpeningOptions, 'hostname' | 'names' | 'trusted'> {
  /** Where mail goes that has no destination of its own. */
  readonly destinations: DestinationList;
  /** At most so many to each MTA at once; further mails wait their turn. */
  readonly connections: number;
  /** For one mail in all: turn, connection, envelope, message and reply. */
  readonly timeoutMs: number;
  /** How long an unused connection is kept while clients are there; 2 s unless told. */
  readonly idleMs?: number;
  /** A connection is ended after so many; 100 unless told. */
  readonly mailsPerConnection?: number;
  /** A destination could not be reached, or ended its service, and the mail went on to the next. */
  onDetour?(destination: string): void;
  /** For what an operator should know and no result says. */
  onError?(problem: string): void;
}

const probeMs = 5_000;
/** Where there is another to try, an MTA has to answer to EHLO in less time than the mail has. */
const detourMs = 5_000;
const tellAgainMs = 60_000;
const maxTold = 100;

export function openRelay(options: RelayOptions): Relay {
  return new PooledRelay(options);
}

/** What a mail has for one destination. */
interface Attempt {
  readonly deadline: MailDeadline;
  /** There is another to try. */
  readonly hasAnother: boolean;
}

/** A mail that its first destination does not have, and has not judged. */
interface FailedAttempt {
  readonly list: DestinationList;
  readonly way: Way;
  readonly outcome: RelayOutcome;
  readonly hasAnother: boolean;
}

const failedMeanwhile: RelayOutcome = { kind: 'unreachable', problem: 'it failed a moment ago', elsewhere: true };

class PooledRelay implements Relay {
  readonly #options: RelayOptions;
  readonly #ways: Ways;
  readonly #probes = new Probes({
    ask: (recipient, to) => this.#ask(recipient, to),
    now: () => performance.now(),
    onQuiet: (problem, { text }) => this.#tell(`asked for a recipient, ${text} did not answer: ${problem}`),
  });
  readonly #toldAt = new Map<string, number>();
  #closed = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    const report = (problem: string): void => this.#tellAtTimes(problem);
    const pooled = { idleMs: 2_000, mailsPerConnection: 100, ...options, report };
    this.#ways = new Ways({
      open: (destination) => new MtaPool({ ...pooled, destination }),
      now: () => performance.now(),
    });
  }

  async send(request: RelayRequest): Promise<RelayResult> {
    const wrong = malformed(request);
    if (wrong) return { kind: 'refused', reply: wrong };
    if (this.#closed) return { kind: 'unreachable', problem: 'postern is stopping' };
    const { to = this.#options.destinations, recipients } = request;
    if (recipients.length > 1 && takesOneRecipient(to))
      return { kind: 'unreachable', problem: `LMTP takes one recipient a mail, and this one has ${recipients.length}` };
    const deadline = new MailDeadline(this.#options.timeoutMs);
    try {
      const way = this.#ways.first(to);
      const hasAnother = this.#ways.hasAnother(to, [], way);
      const outcome = await this.#sendBy(way, request, { deadline, hasAnother });
      if (!mayGoElsewhere(outcome)) return this.#settle(outcome, way);
      return await this.#detour({ list: to, way, outcome, hasAnother }, request, deadline);
    } finally {
      deadline.done();
    }
  }

  #settle(outcome: RelayOutcome, way: Way): RelayResult {
    const { text: destination } = way.destination;
    if (outcome.kind !== 'unreachable') this.#ways.worked(way);
    // Nearly all are this one.
    if (outcome.kind === 'accepted') return { kind: 'accepted', text: outcome.text, destination };
    return { ...settled(outcome), destination };
  }

  /** One destination after the other, until one has judged the mail, or may have it. */
  async #detour(failed: FailedAttempt, request: RelayRequest, deadline: MailDeadline): Promise<RelayResult> {
    const { list } = failed;
    const detours = new Detours();
    for (let { way, outcome, hasAnother } = failed; ;) {
      // Those before it may have left it no time to answer in.
      const hadItsTime = !deadline.isOver || detours.tried.length === 0;
      if (hadItsTime) this.#ways.failed(way);
      detours.add(way, outcome);
      const next = hasAnother && !deadline.isOver ? this.#ways.next(list, detours.tried) : undefined;
      if (next === undefined) return { ...detours.settled(outcome), destination: way.destination.text };
      this.#tell(`${detours.lastProblem}; mail goes to ${next.destination.text}`);
      this.#options.onDetour?.(way.destination.text);
      way = next;
      hasAnother = this.#ways.hasAnother(list, detours.tried, way);
      outcome = await this.#sendBy(way, request, { deadline, hasAnother });
      if (!mayGoElsewhere(outcome)) return this.#settle(outcome, way);
    }
  }

  /** All steps are in this one function, as in the one that it calls: a mail waits for the MTA and for nothing else. */
  async #sendBy(way: Way, request: RelayRequest, { deadline, hasAnother }: Attempt): Promise<RelayOutcome> {
    const { pool } = way;
    const maxMs = hasAnother ? detourMs : undefined;
    let hasPlace = false;
    let connection: MtaConnection | undefined;
    try {
      const turn = pool.place(deadline);
      if (turn !== undefined) await turn;
      hasPlace = true;
      if (turn !== undefined && hasAnother && this.#ways.isResting(way)) return failedMeanwhile;
      connection = pool.kept(deadline) ?? (await pool.fresh(deadline, maxMs));
      const outcome = await this.#handOver(connection, request);
      if (outcome.kind !== 'stale') return outcome;
      pool.retire(connection);
      connection = undefined;
      connection = await pool.fresh(deadline, maxMs);
      return await this.#handOver(connection, request);
    } catch (error) {
      if (error instanceof WrongServer) this.#tellAtTimes(`${way.destination.text}: ${error.message}`);
      return { kind: 'unreachable', problem: errorText(error), elsewhere: !(error instanceof AllBusy) };
    } finally {
      if (hasPlace) pool.release(connection);
    }
  }

  #handOver(connection: MtaConnection, request: RelayRequest): Promise<RelayOutcome> {
    return handOver(connection, request, (problem) => this.#tell(problem));
  }

  #tell(problem: string): void {
    this.#options.onError?.(asciiText(problem));
  }

  /** No mail will get through, or all are without TLS, until somebody reads this: but it is not said with each. */
  #tellAtTimes(problem: string): void {
    const now = performance.now();
    if (now - (this.#toldAt.get(problem) ?? -Infinity) < tellAgainMs) return;
    if (this.#toldAt.size >= maxTold) this.#toldAt.clear();
    this.#toldAt.set(problem, now);
    this.#tell(problem);
  }

  async probe(recipient: string, to = this.#options.destinations): Promise<Probe> {
    const impossible = malformed({ reversePath: '', recipients: [recipient] }) !== undefined;
    // An address that needs SMTPUTF8 is not asked for: its answer would hang on what else the MTA can do.
    if (impossible || /[^\x00-\x7f]/.test(recipient)) return { kind: 'unknown', problem: 'not an address to ask for' };
    return this.#closed ? { kind: 'unknown', problem: 'postern is stopping' } : this.#probes.probe(recipient, to);
  }

  /** Rejects with ConnectionLost when no destination can be asked. */
  async #ask(recipient: string, to: DestinationList): Promise<Probe> {
    const deadline = new MailDeadline(Math.min(this.#options.timeoutMs, probeMs));
    const tried: Way[] = [];
    let lost: unknown = new ConnectionLost('no destination');
    try {
      for (let way: Way | undefined = this.#ways.first(to); way !== undefined; way = this.#ways.next(to, tried)) {
        try {
          const hasAnother = this.#ways.hasAnother(to, tried, way);
          const probe = await this.#askBy(way, recipient, { deadline, hasAnother });
          this.#ways.worked(way);
          return probe;
        } catch (error) {
          lost = error;
          tried.push(way);
          if (deadline.isOver || error instanceof AllBusy) break;
          this.#ways.failed(way);
        }
      }
      throw lost;
    } finally {
      deadline.done();
    }
  }

  async #askBy(way: Way, recipient: string, attempt: Attempt): Promise<Probe> {
    const turn = way.pool.place(attempt.deadline);
    if (turn !== undefined) await turn;
    return this.#askInPlace(way, recipient, attempt);
  }

  async #askInPlace({ pool }: Way, recipient: string, { deadline, hasAnother }: Attempt): Promise<Probe> {
    let connection = pool.kept(deadline);
    try {
      // Under another client's name (XCLIENT) the MTA may refuse for the client's sake.
      if (connection && connection.impersonation !== '') connection.drop('a probe goes under our own name');
      if (connection?.alive) {
        // It may have been idle for too long.
        const probe = await askRecipient(connection, recipient).catch(() => undefined);
        if (probe && probe.kind !== 'unknown') return probe;
        connection.drop('it did not answer to a probe');
      }
      connection = await pool.fresh(deadline, hasAnother ? probeMs / 2 : undefined);
      return await askRecipient(connection, recipient);
    } finally {
      pool.release(connection);
    }
  }

  rest(): void {
    for (const pool of this.#ways.pools()) pool.rest();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#ways.pools().map((pool) => pool.close()));
  }
}

/** The destinations that a mail has tried in vain, and why. */
class Detours {
  readonly tried: Way[] = [];
  readonly #problems: string[] = [];

  add(way: Way, outcome: RelayOutcome): void {
    this.tried.push(way);
    const problem = outcome.kind === 'refused' ? replyText(outcome.reply) : 'problem' in outcome ? outcome.problem : '';
    this.#problems.push(`${way.destination.text}: ${problem}`);
  }

  get lastProblem(): string {
    return this.#problems.at(-1) ?? '';
  }

  /** Where none is left: what the last one said; where it said nothing, why each could not be reached. */
  settled(last: RelayOutcome): RelayVerdict {
    const isSilent = last.kind === 'unreachable' && this.tried.length > 1;
    return isSilent ? { kind: 'unreachable', problem: asciiText(this.#problems.join('; ')) } : settled(last);
  }
}

/** The MTA does not have the mail, and has not judged it. */
const mayGoElsewhere = (outcome: RelayOutcome): boolean =>
  outcome.kind === 'stale' || ('elsewhere' in outcome && outcome.elsewhere);

/** A fresh connection is never stale; should it be, the mail is still with the client. */
function settled(outcome: RelayOutcome): RelayVerdict {
  switch (outcome.kind) {
    case 'stale':
    case 'unreachable':
      return { kind: 'unreachable', problem: asciiText(outcome.problem) };
    case 'refused':
      return { kind: 'refused', reply: outcome.reply };
    default:
      return outcome;
  }
}
