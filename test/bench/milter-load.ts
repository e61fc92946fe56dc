/** The MTA's side of a load on a milter: sessions as Postfix plays them, each step sent when the last is answered. */
import net from 'node:net';
import { packet, uint32 } from '../support/milter-mta.js';

export type Where = { readonly path: string } | { readonly host: string; readonly port: number };

export interface Load {
  readonly sessions: number;
  readonly concurrency: number;
}

export interface LoadResult {
  readonly seconds: number;
  /** Milliseconds from MAIL to the verdict, a message each. */
  readonly latencies: readonly number[];
}

export const messagesPerSession = 5;
/** Whose records are asked for: of the sender and of the HELO name. */
export const zone = { 'pass.test': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] }, 'client.test': { A: ['192.0.2.80'] } };
const fieldCount = 12;
const bodyOctets = 4096;

const patienceMs = 30_000;

/** SMFIP_NO* and SMFIP_NR_* by command. */
const flags: Readonly<Record<string, readonly [unsent: number, unanswered: number]>> = {
  C: [0x1, 0x1000],
  H: [0x2, 0x2000],
  M: [0x4, 0x4000],
  R: [0x8, 0x8000],
  T: [0x200, 0x10000],
  L: [0x20, 0x80],
  N: [0x40, 0x40000],
  B: [0x10, 0x80000],
  E: [0, 0],
};

const text = (...strings: readonly string[]): string => strings.map((one) => `${one}\0`).join('');

const opening = [
  ['C', 'client.test\x004\x10\xe1192.0.2.7\0', text('j', 'mx.test', '{daemon_name}', 'mx.test', 'v', 'Postfix')],
  ['H', text('client.test'), ''],
] as const;

const mailing = [
  ['M', text('<sender@pass.test>', 'SIZE=4700'), text('{mail_addr}', 'sender@pass.test', '{mail_host}', 'pass.test')],
  ['R', text('<u@rcpt.test>'), text('{rcpt_addr}', 'u@rcpt.test', '{rcpt_host}', 'rcpt.test')],
  ['T', '', text('i', '4XQueueId')],
  ...Array.from(
    { length: fieldCount },
    (_, i) => ['L', text(`X-Field-${i}`, 'x'.repeat(40)), text('i', '4X')] as const,
  ),
  ['N', '', text('i', '4XQueueId')],
  ['B', 'The quick brown fox jumps over the lazy dog.\r\n'.repeat(100).slice(0, bodyOctets), text('i', '4X')],
  ['E', '', text('i', '4XQueueId')],
] as const;

interface Bursts {
  /** What is sent in one go; an answer is due behind each. */
  readonly asked: readonly Buffer[];
  /** Behind the last of them; no answer is due. */
  readonly rest: Buffer;
}

function bursts(steps: readonly (readonly [code: string, data: string, macros: string])[], protocol: number): Bursts {
  const out: Buffer[] = [];
  let pending: Buffer[] = [];
  for (const [code, data, macros] of steps) {
    const [unsent = 0, unanswered = 0] = flags[code] ?? [];
    pending.push(packet('D', code + macros)); // sent for commands that are switched off, too
    if (protocol & unsent) continue;
    pending.push(packet(code, data));
    if (protocol & unanswered) continue;
    out.push(Buffer.concat(pending));
    pending = [];
  }
  return { asked: out, rest: Buffer.concat(pending) };
}

const scripts = { opening, mailing } as const;
const made = new Map<string, Bursts>();

/** Made once: the client is not to be what is measured. */
function burstsOf(name: keyof typeof scripts, protocol: number): Bursts {
  const key = `${name} ${protocol}`;
  const known = made.get(key) ?? bursts(scripts[name], protocol);
  made.set(key, known);
  return known;
}

const nothing = Buffer.alloc(0);
const abort = packet('A');
const quit = packet('Q');

/** All that the MTA may send in one go, and expects an answer to, of a session with its messages; its goodbye last. */
export function burstsOfSession(protocol: number): readonly Buffer[] {
  const { asked, rest } = burstsOf('opening', protocol);
  let lead = rest;
  const all = [...asked];
  for (let i = 0; i < messagesPerSession; i++) {
    for (const burst of burstsOf('mailing', protocol).asked) {
      all.push(Buffer.concat([lead, burst]));
      lead = nothing;
    }
    lead = abort; // as Postfix: behind every message, but it flushes only when it waits for an answer
  }
  return [...all, Buffer.concat([lead, quit])];
}

export const negotiation = packet('O', Buffer.concat([uint32(6), uint32(0x1ff), uint32(0x1fffff)]));

/** One connection; answers in the order of the questions. */
export class LoadSession {
  readonly #socket: net.Socket;
  #octets: Buffer = Buffer.alloc(0);
  #answered: ((code: string, data: Buffer) => void) | undefined;
  #failed: (error: Error) => void = () => {};
  #protocol = 0;
  #lead: Buffer = nothing;
  #mailing: readonly Buffer[] = [];

  private constructor(where: Where) {
    this.#socket = net.connect(where);
    this.#socket.setTimeout(patienceMs, () => this.#failed(new Error('the filter does not answer')));
    this.#socket.on('error', (error) => this.#failed(error));
    this.#socket.on('close', () => this.#failed(new Error('the filter has closed the connection')));
    this.#socket.on('data', (octets: Buffer) => this.#read(octets));
  }

  /** Connected, negotiated, greeted. */
  static async open(where: Where): Promise<LoadSession> {
    const session = new LoadSession(where);
    const [, agreed] = await session.#ask(negotiation);
    session.#protocol = agreed.readUInt32BE(8);
    const { asked, rest } = burstsOf('opening', session.#protocol);
    for (const burst of asked) await session.#ask(burst);
    session.#socket.write(rest);
    session.#mailing = burstsOf('mailing', session.#protocol).asked;
    return session;
  }

  #read(octets: Buffer): void {
    this.#octets = this.#octets.length === 0 ? octets : Buffer.concat([this.#octets, octets]);
    while (this.#octets.length >= 5 && this.#octets.length >= 4 + this.#octets.readUInt32BE(0)) {
      const end = 4 + this.#octets.readUInt32BE(0);
      const code = this.#octets.toString('latin1', 4, 5);
      const data = this.#octets.subarray(5, end);
      this.#octets = this.#octets.subarray(end);
      if (!'himepq'.includes(code)) this.#answered?.(code, data); // an edit, or PROGRESS
    }
  }

  #ask(burst: Buffer): Promise<[code: string, data: Buffer]> {
    return new Promise((resolve, reject) => {
      this.#answered = (code, data) => resolve([code, data]);
      this.#failed = reject;
      this.#socket.write(Buffer.concat([this.#lead, burst]));
      this.#lead = nothing;
    });
  }

  /** Milliseconds to the verdict. */
  async message(): Promise<number> {
    const begun = performance.now();
    for (const burst of this.#mailing) {
      const [code, data] = await this.#ask(burst);
      if (code !== 'c' && code !== 'a') throw new Error(`the filter answers ${code}${data.toString('latin1')}`);
    }
    const took = performance.now() - begun;
    this.#lead = abort;
    return took;
  }

  end(): void {
    this.#failed = () => {};
    this.#socket.end(Buffer.concat([this.#lead, quit]));
    this.#socket.resume();
  }
}

export async function load(where: Where, { sessions, concurrency }: Load): Promise<LoadResult> {
  const latencies: number[] = [];
  let left = sessions;
  const begun = performance.now();
  const play = async (): Promise<void> => {
    while (left-- > 0) {
      const session = await LoadSession.open(where);
      for (let i = 0; i < messagesPerSession; i++) latencies.push(await session.message());
      session.end();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, play));
  return { seconds: (performance.now() - begun) / 1000, latencies };
}
