/**
 * Hands accepted mail to the local MTA and tells what the MTA said: its 250, its 4xx, its 5xx, or nothing. What the
 * client is answered, and what is remembered of refused recipients, is the caller's. One mail's way over a connection
 * is transaction.ts, the connections are pool.ts.
 */
import { errorText } from '../mail/error-text.js';
import type { Ip } from '../mail/ip.js';
import type { MessageSource } from '../mail/message.js';
import type { Reply } from '../mail/reply.js';
import { asciiText } from '../mail/text.js';
import { MailDeadline } from './deadline.js';
import { malformed } from './envelope.js';
import { ConnectionLost, type MtaConnection, type MtaTarget, WrongProtocol } from './mta-connection.js';
import { MtaPool } from './pool.js';
import { askRecipient, type Probe } from './asking/probe.js';
import { Probes } from './asking/probes.js';
import { handOver, type RelayOutcome } from './transaction.js';

export interface RelayRequest {
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
  /** Our own fields, to stand on top of the message; lines end in CRLF. */
  readonly head: Buffer;
  readonly message: MessageSource;
}

export type RelayResult =
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
   * Would the MTA take this recipient? Asked by RCPT without a mail, remembered for a while. Never rejects; settles
   * within 5 s.
   */
  probe(recipient: string): Promise<Probe>;
  /** Ends unused connections in a moment: no client is there who might send a mail. */
  rest(): void;
  /** Waits for the mails under way, then ends all sessions. Later mails are `unreachable`. */
  close(): Promise<void>;
}

export interface RelayOptions {
  readonly target: MtaTarget;
  /** Our EHLO name. */
  readonly hostname: string;
  /** At most so many to the MTA at once; further mails wait their turn. */
  readonly connections: number;
  /** For one mail in all: turn, connection, envelope, message and reply. */
  readonly timeoutMs: number;
  /** How long an unused connection is kept while clients are there; 2 s unless told. */
  readonly idleMs?: number;
  /** A connection is ended after so many; 100 unless told. */
  readonly mailsPerConnection?: number;
  /** For what an operator should know and no result says. */
  onError?(problem: string): void;
}

const probeMs = 5_000;
const tellAgainMs = 60_000;

export function openRelay(options: RelayOptions): Relay {
  return new PooledRelay(options);
}

class PooledRelay implements Relay {
  readonly #options: RelayOptions;
  readonly #pool: MtaPool;
  readonly #probes = new Probes({
    ask: (recipient) => this.#ask(recipient),
    now: () => performance.now(),
    onQuiet: (problem) =>
      this.#options.onError?.(asciiText(`asked for a recipient, the local MTA did not answer: ${problem}`)),
  });
  #closed = false;
  #toldAt = -Infinity;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#pool = new MtaPool({ idleMs: 2_000, mailsPerConnection: 100, ...options });
  }

  async send(request: RelayRequest): Promise<RelayResult> {
    const wrong = malformed(request);
    if (wrong) return { kind: 'refused', reply: wrong };
    if (this.#closed) return { kind: 'unreachable', problem: 'postern is stopping' };
    const deadline = new MailDeadline(this.#options.timeoutMs);
    try {
      const turn = this.#pool.place(deadline);
      if (turn !== undefined) await turn;
      return await this.#sendInPlace(request, deadline);
    } catch (error) {
      this.#tellWrongProtocol(error);
      return unreachable(error);
    } finally {
      deadline.done();
    }
  }

  /** No mail will get through until somebody reads this, so it is said by itself, but not with each of them. */
  #tellWrongProtocol(error: unknown): void {
    const now = performance.now();
    if (!(error instanceof WrongProtocol) || now - this.#toldAt < tellAgainMs) return;
    this.#toldAt = now;
    this.#options.onError?.(asciiText(`the setting relay names no SMTP server: ${error.message}`));
  }

  async probe(recipient: string): Promise<Probe> {
    const impossible = malformed({ reversePath: '', recipients: [recipient] }) !== undefined;
    // An address that needs SMTPUTF8 is not asked for: its answer would hang on what else the MTA can do.
    if (impossible || /[^\x00-\x7f]/.test(recipient)) return { kind: 'unknown', problem: 'not an address to ask for' };
    return this.#closed ? { kind: 'unknown', problem: 'postern is stopping' } : this.#probes.probe(recipient);
  }

  /** Rejects with ConnectionLost when the MTA cannot be asked. */
  async #ask(recipient: string): Promise<Probe> {
    const deadline = new MailDeadline(Math.min(this.#options.timeoutMs, probeMs));
    try {
      const turn = this.#pool.place(deadline);
      if (turn !== undefined) await turn;
      return await this.#askInPlace(recipient, deadline);
    } finally {
      deadline.done();
    }
  }

  async #askInPlace(recipient: string, deadline: MailDeadline): Promise<Probe> {
    let connection = this.#pool.kept(deadline);
    try {
      // Under another client's name (XCLIENT) the MTA may refuse for the client's sake.
      if (connection && connection.impersonation !== '') connection.drop('a probe goes under our own name');
      if (connection?.alive) {
        // It may have been idle for too long.
        const probe = await askRecipient(connection, recipient).catch(() => undefined);
        if (probe && probe.kind !== 'unknown') return probe;
        connection.drop('it did not answer to a probe');
      }
      connection = await this.#pool.fresh(deadline);
      return await askRecipient(connection, recipient);
    } finally {
      this.#pool.release(connection);
    }
  }

  rest(): void {
    this.#pool.rest();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pool.close();
  }

  async #sendInPlace(request: RelayRequest, deadline: MailDeadline): Promise<RelayResult> {
    let connection = this.#pool.kept(deadline);
    try {
      connection ??= await this.#pool.fresh(deadline);
      let outcome = await this.#handOver(connection, request);
      if (outcome.kind === 'stale') {
        this.#pool.retire(connection);
        connection = await this.#pool.fresh(deadline);
        outcome = await this.#handOver(connection, request);
      }
      return settled(outcome);
    } finally {
      this.#pool.release(connection);
    }
  }

  #handOver(connection: MtaConnection, request: RelayRequest): Promise<RelayOutcome> {
    return handOver(connection, request, (problem) => this.#options.onError?.(asciiText(problem)));
  }
}

/** A fresh connection is never stale; should it be, the mail is still with the client. */
const settled = (outcome: RelayOutcome): RelayResult =>
  outcome.kind === 'stale' || outcome.kind === 'unreachable'
    ? unreachable(new ConnectionLost(outcome.problem))
    : outcome;

const unreachable = (error: unknown): RelayResult => ({
  kind: 'unreachable',
  problem: asciiText(errorText(error)),
});
