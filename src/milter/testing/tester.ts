/**
 * An MTA for tests of filters: `await MilterTester.of(policy)` in the test's own process, `await
 * MilterTester.connect(endpoint)` over a socket. Its calls are the events of a session; each gives what the filter
 * answered, and `eom` what it changed.
 */
import net from 'node:net';
import { FrameReader, frame, u32 } from '../codec.js';
import { preparePolicy } from '../negotiation.js';
import type { Endpoint } from '../endpoint.js';
import { eventFlags, maxDataOf, protocol } from '../negotiation.js';
import type { Answer, Edit, MacroStage, MilterEvent, MilterPolicy, Skip } from '../policy.js';
import { MilterSession } from '../session.js';
import { type FilterFrame, readFilterFrame } from './answers.js';
import { type ChangedMail, changedBy } from './changed.js';

/** What the MTA is able to do; all that Postfix is, where nothing is given. */
export interface TesterOffer {
  /** The protocol's, 2 to 6. */
  readonly version?: number;
  /** SMFIF_* bits. */
  readonly actions?: number;
  /** SMFIP_* bits. */
  readonly protocol?: number;
}

/** `unseen`: the filter has asked not to be sent this; `unanswered`: it has asked to be sent it without answering. */
export type TesterAnswer = Answer | Skip | { readonly kind: 'unseen' } | { readonly kind: 'unanswered' };

export interface TesterEnd {
  readonly answer: Answer;
  /** As sent, in the order in which the MTA makes them. */
  readonly edits: readonly Edit[];
  /** The mail with these edits made; as it was where it is not let pass. */
  readonly mail: ChangedMail;
}

/** What `deliver` sends; what is not given is that of a good mail. */
export interface TesterMail {
  /** Without angle brackets; '' is the null reverse-path. */
  readonly from?: string;
  readonly to?: readonly string[];
  /** `[name, value]`, octets as latin1. */
  readonly header?: readonly (readonly [name: string, value: string])[];
  /** Lines end in CRLF. */
  readonly body?: string | Uint8Array;
}

/** How octets get to the filter. */
interface Wire {
  send(octets: Buffer): void;
  close(): void;
}

type WireMaker = (hears: (octets: Buffer) => void, ended: (why: string) => void) => Wire | Promise<Wire>;

const codes: Readonly<Record<MilterEvent, string>> = {
  connect: 'C',
  helo: 'H',
  mail: 'M',
  rcpt: 'R',
  data: 'T',
  header: 'L',
  eoh: 'N',
  body: 'B',
  eom: 'E',
  unknown: 'U',
};

const strings = (...texts: readonly string[]): string => texts.map((text) => `${text}\0`).join('');
const empty: ChangedMail = { sender: '', recipients: [], header: [], body: Buffer.alloc(0), quarantined: undefined };
const allActions = 0x1ff;
const allProtocol = 0x1fffff;
const patienceMs = 30_000;

export class MilterTester {
  readonly #reader = new FrameReader(2 ** 21);
  #wire: Wire | undefined;
  #heard: (FilterFrame | { readonly kind: 'agreement'; readonly protocol: number; readonly actions: number })[] = [];
  #wake: () => void = () => {};
  #ended: string | undefined;
  /** What a handler has thrown, until somebody is told. */
  #thrown: { readonly error: unknown } | undefined;
  #protocol = 0;
  #mail: ChangedMail = empty;
  /** The filter has answered a piece of the body with `skip`. */
  #skipsBody = false;
  /** How often the filter said that it is still working (PROGRESS). */
  progress = 0;

  private constructor() {}

  /**
   * Drives the policy in this process. What its handlers throw is told to `problems`, or, where there is none, thrown
   * by the call that they were to answer.
   */
  static of<S, T>(
    policy: MilterPolicy<S, T>,
    { problems, ...offer }: TesterOffer & { readonly problems?: (event: string, error: unknown) => void } = {},
  ): Promise<MilterTester> {
    const tester = new MilterTester();
    return tester.#begin(offer, (hears, ended) => {
      const session: MilterSession<S, T> = new MilterSession(preparePolicy(policy), {
        write: (octets) => hears(octets),
        close: () => ended('the session is over'),
        drop: (text) => ended(text),
        failed: problems ?? ((_, error) => (tester.#thrown = { error })),
        resumed: () => {},
      });
      return { send: (octets) => session.receive(octets), close: () => session.end() };
    });
  }

  /** Connects to a filter, wherever it runs. */
  static connect(endpoint: Exclude<Endpoint, { kind: 'fd' }>, offer: TesterOffer = {}): Promise<MilterTester> {
    return new MilterTester().#begin(offer, async (hears, ended) => {
      const socket = net.connect(endpoint.kind === 'unix' ? { path: endpoint.path } : { ...endpoint });
      await new Promise<void>((connected, fail) => {
        socket.once('connect', () => connected());
        socket.once('error', fail);
      });
      socket.on('data', hears);
      socket.on('error', () => {});
      socket.on('close', () => ended('the filter has closed the connection'));
      return { send: (octets) => socket.write(octets), close: () => socket.destroySoon() };
    });
  }

  async #begin({ version = 6, actions = allActions, protocol: flags = allProtocol }: TesterOffer, make: WireMaker) {
    this.#wire = await make(
      (octets) => this.#hear(octets),
      (why) => {
        this.#ended = why;
        this.#wake();
      },
    );
    this.#send('O', u32(version), u32(actions), u32(flags));
    const agreed = await this.#next();
    if (agreed.kind !== 'agreement') throw new Error(`negotiation was answered by ${agreed.kind}`);
    this.#protocol = agreed.protocol;
    return this;
  }

  #hear(octets: Buffer): void {
    this.#reader.push(octets);
    while (this.#reader.next()) {
      const { code, octets: data, start } = this.#reader;
      const isAgreement = code === 0x4f; // SMFIC_OPTNEG
      this.#heard.push(
        isAgreement
          ? { kind: 'agreement', actions: data.readUInt32BE(start + 4), protocol: data.readUInt32BE(start + 8) }
          : readFilterFrame(this.#reader),
      );
    }
    this.#wake();
  }

  #send(code: string, ...data: readonly (string | Uint8Array)[]): void {
    this.#wire?.send(frame(code, ...data));
  }

  /** Throws where the filter has hung up, or does not answer. */
  async #next() {
    const late = setTimeout(() => {
      this.#ended ??= `the filter did not answer within ${patienceMs / 1000} seconds`;
      this.#wake();
    }, patienceMs);
    try {
      for (;;) {
        const heard = this.#heard.shift();
        if (heard?.kind === 'progress') this.progress++;
        else if (heard) return this.#unlessThrown(heard);
        else if (this.#ended !== undefined) throw new Error(this.#ended);
        else await new Promise<void>((wake) => (this.#wake = wake));
      }
    } finally {
      clearTimeout(late);
    }
  }

  #unlessThrown<T>(heard: T): T {
    const thrown = this.#thrown;
    this.#thrown = undefined;
    if (thrown) throw thrown.error;
    return heard;
  }

  async #ask(event: MilterEvent, ...data: readonly (string | Uint8Array)[]): Promise<TesterAnswer> {
    const { unsent, unanswered } = eventFlags[event];
    if (this.#protocol & unsent) return { kind: 'unseen' };
    this.#send(codes[event], ...data);
    if (this.#protocol & unanswered) return { kind: 'unanswered' };
    const heard = await this.#next();
    if (heard.kind !== 'answer') throw new Error(`${event} was answered by ${heard.kind}, which belongs to eom`);
    return heard.answer;
  }

  /** Defines macros for the command that comes next: `macros('mail', { auth_authen: 'anna' })`. */
  macros(stage: MacroStage, values: Readonly<Record<string, string>>): void {
    const named = Object.entries(values).map(([name, value]) => [name.length > 1 ? `{${name}}` : name, value]);
    this.#send('D', codes[stage], strings(...named.flat()));
  }

  /** `ip`: of the client; undefined for one whose address the MTA does not know. */
  connect(ip: string | undefined = '192.0.2.1', name = 'client.example'): Promise<TesterAnswer> {
    if (ip === undefined) return this.#ask('connect', strings(name), 'U');
    return this.#ask('connect', strings(name), `${ip.includes(':') ? '6' : '4'}\x10\x00${strings(ip)}`);
  }

  helo(name = 'client.example'): Promise<TesterAnswer> {
    return this.#ask('helo', strings(name));
  }

  /** `from` without angle brackets. */
  mail(from = 'sender@example.net', ...parameters: readonly string[]): Promise<TesterAnswer> {
    this.#mail = { ...empty, sender: from };
    this.#skipsBody = false;
    return this.#ask('mail', strings(`<${from}>`, ...parameters));
  }

  /** A recipient that the filter refuses is none of the mail. */
  async rcpt(to = 'recipient@example.com', ...parameters: readonly string[]): Promise<TesterAnswer> {
    const answer = await this.#ask('rcpt', strings(`<${to}>`, ...parameters));
    const isRefused = ['reject', 'tempfail', 'reply'].includes(answer.kind);
    if (!isRefused) this.#mail = { ...this.#mail, recipients: [...this.#mail.recipients, to] };
    return answer;
  }

  data(): Promise<TesterAnswer> {
    return this.#ask('data');
  }

  /** `value` without the blank behind the colon: a filter that asks for that is shown one. */
  header(name: string, value: string): Promise<TesterAnswer> {
    this.#mail = { ...this.#mail, header: [...this.#mail.header, { name, value }] };
    return this.#ask('header', strings(name, this.#leads ? ` ${value}` : value));
  }

  get #leads(): boolean {
    return (this.#protocol & protocol.leadingSpace) !== 0;
  }

  eoh(): Promise<TesterAnswer> {
    return this.#ask('eoh');
  }

  /** One piece of the body. */
  async body(piece: string | Uint8Array): Promise<TesterAnswer> {
    const octets = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : Buffer.from(piece);
    this.#mail = { ...this.#mail, body: Buffer.concat([this.#mail.body, octets]) };
    if (this.#skipsBody) return { kind: 'unseen' };
    const answer = await this.#ask('body', octets);
    this.#skipsBody = answer.kind === 'skip';
    return answer;
  }

  async eom(): Promise<TesterEnd> {
    this.#send(codes.eom);
    const edits: Edit[] = [];
    for (;;) {
      const heard = await this.#next();
      if (heard.kind === 'edit') edits.push(this.#leads ? withoutBlank(heard.edit) : heard.edit);
      else if (heard.kind !== 'answer') throw new Error(`eom was answered by ${heard.kind}`);
      else if (heard.answer.kind === 'skip') throw new Error('eom was answered by skip');
      else return { answer: heard.answer, edits, mail: this.#changed(heard.answer, edits) };
    }
  }

  #changed({ kind }: Answer, edits: readonly Edit[]): ChangedMail {
    return kind === 'continue' || kind === 'accept' ? changedBy(edits, this.#mail) : this.#mail;
  }

  /** An SMTP command that the MTA does not know. */
  unknown(line: string): Promise<TesterAnswer> {
    return this.#ask('unknown', strings(line));
  }

  /** The mail is dropped; the session goes on. */
  abort(): void {
    this.#send('A');
  }

  /**
   * One mail from MAIL to its end, behind CONNECT and HELO: stops at the first answer that settles it, which is the
   * end's answer then. A refused recipient settles nothing unless it is the only one.
   */
  async deliver(mail: TesterMail = {}): Promise<TesterEnd> {
    const { from, to = ['recipient@example.com'], header = [['Subject', 'test']], body = 'Hello.\r\n' } = mail;
    const settled = (answer: TesterAnswer): TesterEnd | undefined =>
      isSettling(answer) ? { answer, edits: [], mail: this.#mail } : undefined;
    const first = settled(await this.mail(from));
    if (first) return first;
    for (const one of to) {
      const answer = await this.rcpt(one);
      const isRefusal = answer.kind === 'reject' || answer.kind === 'tempfail' || answer.kind === 'reply';
      const end = isRefusal && to.length > 1 ? undefined : settled(answer);
      if (end) return end;
    }
    for (const ask of this.#contentOf(header, body)) {
      const end = settled(await ask());
      if (end) return end;
    }
    return this.eom();
  }

  *#contentOf(header: NonNullable<TesterMail['header']>, body: NonNullable<TesterMail['body']>) {
    yield () => this.data();
    for (const [name, value] of header) yield () => this.header(name, value);
    yield () => this.eoh();
    const octets = typeof body === 'string' ? Buffer.from(body, 'latin1') : Buffer.from(body);
    const piece = maxDataOf({ protocol: this.#protocol });
    for (let at = 0; at < octets.length; at += piece) yield () => this.body(octets.subarray(at, at + piece));
  }

  /** Ends the session. */
  close(): void {
    this.#send('Q');
    this.#wire?.close();
  }
}

/** A field that comes with the blank behind its colon. */
function withoutBlank(edit: Edit): Edit {
  return 'value' in edit ? { ...edit, value: edit.value.replace(/^ /, '') } : edit;
}

function isSettling(answer: TesterAnswer): answer is Answer {
  return !['continue', 'skip', 'unseen', 'unanswered'].includes(answer.kind);
}
