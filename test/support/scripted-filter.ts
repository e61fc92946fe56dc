/** A filter that answers as a test tells it to, rightly or not, on a socket of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FrameReader, frame, u32 } from '../../src/milter/codec.js';

/** Octets to say, or what to do with the connection. */
export type Act = Buffer | 'close' | 'hang';

export interface Script {
  /**
   * What is answered to a command, by its code; `nth` counts those of this code on the connection, from 0. What is not
   * there is answered `continue`.
   */
  readonly answers?: Readonly<
    Record<string, Act | readonly Act[] | ((nth: number, data: Buffer) => Act | readonly Act[])>
  >;
  readonly version?: number;
  readonly actions?: number;
  readonly protocol?: number;
  /** Macros by the number of the stage. */
  readonly lists?: Readonly<Record<number, string>>;
  readonly tcp?: boolean;
}

export const say = {
  continue: frame('c'),
  accept: frame('a'),
  reject: frame('r'),
  tempfail: frame('t'),
  discard: frame('d'),
  skip: frame('s'),
  progress: frame('p'),
  shutdown: frame('4'),
  reply: (text: string): Buffer => frame('y', `${text}\0`),
  add: (name: string, value: string): Buffer => frame('h', `${name}\0${value}\0`),
  insert: (index: number, name: string, value: string): Buffer => frame('i', u32(index), `${name}\0${value}\0`),
  change: (index: number, name: string, value: string): Buffer => frame('m', u32(index), `${name}\0${value}\0`),
  sender: (address: string): Buffer => frame('e', `${address}\0`),
  addRecipient: (address: string): Buffer => frame('+', `${address}\0`),
  deleteRecipient: (address: string): Buffer => frame('-', `${address}\0`),
  body: (octets: string | Buffer): Buffer => frame('b', octets),
  quarantine: (reason: string): Buffer => frame('q', `${reason}\0`),
} as const;

/** Commands that nobody answers. */
const unanswered = 'DAQK';

/** Bits of "do not answer this" in the protocol word, by the command's code. */
const silent: Readonly<Record<string, number>> = {
  C: 0x1000,
  H: 0x2000,
  M: 0x4000,
  R: 0x8000,
  T: 0x10000,
  L: 0x80,
  N: 0x40000,
  B: 0x80000,
};

const isAct = (acts: Act | readonly Act[]): acts is Act => typeof acts === 'string' || Buffer.isBuffer(acts);

export class ScriptedFilter {
  /** `C`, `H`, … with the data, NUL as `|`, in the order of all connections. */
  readonly heard: string[] = [];
  connections = 0;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #folder: string;
  #script: Script;

  private constructor(script: Script) {
    this.#script = script;
    this.#folder = mkdtempSync(join(tmpdir(), 'filter-'));
    this.#server = net.createServer({ noDelay: false }, (socket) => this.#serve(socket));
  }

  static async start(script: Script = {}): Promise<ScriptedFilter> {
    const filter = new ScriptedFilter(script);
    await filter.listen();
    return filter;
  }

  /** Opens the socket, once more where it was closed. */
  async listen(port = 0): Promise<void> {
    const where = this.#script.tcp ? { host: '127.0.0.1', port } : { path: join(this.#folder, 's') };
    await new Promise<void>((settle) => this.#server.listen(where, settle));
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** As the list of plugins writes it. */
  get place(): string {
    return this.#script.tcp ? `inet:127.0.0.1:${this.port}` : `unix:${this.#folder}/s`;
  }

  use(script: Script): void {
    this.#script = { ...script, ...(this.#script.tcp && { tcp: true }) };
  }

  /** Codes of what was heard, without macros. */
  get commands(): string {
    return this.heard
      .map((one) => one.charAt(0))
      .filter((code) => code !== 'D')
      .join('');
  }

  /** The data of these commands; `DM` are the macros of MAIL. */
  heardOf(code: string): string[] {
    return this.heard.filter((one) => one.startsWith(code)).map((one) => one.slice(code.length));
  }

  /** Hangs up on whoever is connected, and listens no more. */
  async stop(): Promise<void> {
    const closed = new Promise((settle) => this.#server.close(settle));
    this.hangUp();
    await closed;
  }

  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #serve(socket: net.Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    const reader = new FrameReader();
    const counts = new Map<string, number>();
    socket.on('data', (octets) => {
      reader.push(octets);
      while (reader.next()) {
        const code = String.fromCharCode(reader.code);
        const data = Buffer.from(reader.octets.subarray(reader.start, reader.end));
        this.heard.push(code + (code === 'O' ? data.toString('hex') : data.toString('latin1').replaceAll('\0', '|')));
        const nth = counts.get(code) ?? 0;
        counts.set(code, nth + 1);
        for (const act of this.#actsFor(code, nth, data)) {
          if (act === 'close') socket.destroySoon();
          if (act === 'hang') return;
          if (typeof act !== 'string') socket.write(act);
        }
      }
    });
  }

  #actsFor(code: string, nth: number, data: Buffer): readonly Act[] {
    const { answers = {}, protocol = 0 } = this.#script;
    const scripted = answers[code];
    const acts = typeof scripted === 'function' ? scripted(nth, data) : scripted;
    if (acts !== undefined) return isAct(acts) ? [acts] : acts;
    if (code === 'O') return [this.#agreement()];
    const isSilent = unanswered.includes(code) || (protocol & (silent[code] ?? 0)) !== 0;
    return isSilent ? [] : [say.continue];
  }

  #agreement(): Buffer {
    const { version = 6, actions = 0x1ff, protocol = 0, lists = {} } = this.#script;
    const named = Object.entries(lists).flatMap(([stage, names]) => [u32(Number(stage)), `${names}\0`]);
    return frame('O', u32(version), u32(actions), u32(protocol), ...named);
  }
}
