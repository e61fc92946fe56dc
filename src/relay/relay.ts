/**
 * Hands accepted mail to the MTA behind and tells what that said: its 250, its 4xx, its 5xx, or nothing. Leaves what
 * the client is answered, and what is remembered of refused recipients, to the caller, one mail's way to errand.ts, and
 * connections to pool.ts.
 */
import type { Ip } from '../mail/ip.js';
import type { MessageSource } from '../mail/message.js';
import type { Reply } from '../mail/reply.js';
import { askDestinations } from './asking/ask-destinations.js';
import type { Probe } from './asking/probe.js';
import { Probes } from './asking/probes.js';
import type { OpeningOptions } from './connection/opening.js';
import { Deadlines } from './deadline.js';
import { type DestinationList, takesOneRecipient } from './destination/destination.js';
import { Ways } from './destination/ways.js';
import { type ErrandOptions, runErrand } from './errand.js';
import { malformed, type RequestedDsn } from './envelope.js';
import { MtaPool } from './pool.js';
import { Reports } from './reports.js';

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

export function openRelay(options: RelayOptions): Relay {
  return new PooledRelay(options);
}

class PooledRelay implements Relay {
  readonly #options: RelayOptions;
  readonly #ways: Ways;
  readonly #errands: ErrandOptions;
  readonly #probes: Probes;
  #closed = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    const reports = new Reports((problem) => options.onError?.(problem));
    const pooled = { idleMs: 2_000, mailsPerConnection: 100, ...options, report: reports.tellAtTimes };
    const now = (): number => performance.now();
    const ways = new Ways({ open: (destination) => new MtaPool({ ...pooled, destination }), now });
    const probeDeadlines = new Deadlines(Math.min(options.timeoutMs, probeMs));
    this.#probes = new Probes({
      ask: (recipient, to) =>
        askDestinations(recipient, { to, ways, deadline: probeDeadlines.begin(), maxMs: probeMs / 2 }),
      now,
      onQuiet: (problem, { text }) => reports.tell(`asked for a recipient, ${text} did not answer: ${problem}`),
    });
    const deadlines = new Deadlines(options.timeoutMs);
    const onDetour = (destination: string): void => options.onDetour?.(destination);
    this.#errands = { ways, deadlines, reports, onDetour };
    this.#ways = ways;
  }

  send(request: RelayRequest): Promise<RelayResult> {
    const { to = this.#options.destinations } = request;
    const impossible = this.#impossible(request, to);
    return impossible ? Promise.resolve(impossible) : runErrand(request, to, this.#errands);
  }

  #impossible(request: RelayRequest, to: DestinationList): RelayResult | undefined {
    const wrong = malformed(request);
    if (wrong) return { kind: 'refused', reply: wrong };
    if (this.#closed) return { kind: 'unreachable', problem: 'postern is stopping' };
    const { length } = request.recipients;
    if (length > 1 && takesOneRecipient(to))
      return { kind: 'unreachable', problem: `LMTP takes one recipient a mail, and this one has ${length}` };
    return undefined;
  }

  async probe(recipient: string, to = this.#options.destinations): Promise<Probe> {
    const impossible = malformed({ reversePath: '', recipients: [recipient] }) !== undefined;
    // An address that needs SMTPUTF8 is not asked for: its answer would hang on what else the MTA can do.
    if (impossible || /[^\x00-\x7f]/.test(recipient)) return { kind: 'unknown', problem: 'not an address to ask for' };
    return this.#closed ? { kind: 'unknown', problem: 'postern is stopping' } : this.#probes.probe(recipient, to);
  }

  rest(): void {
    for (const pool of this.#ways.pools()) pool.rest();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#ways.pools().map((pool) => pool.close()));
  }
}
