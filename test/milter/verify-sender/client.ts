/** A small MTA for the tests of the SPF policy: one milter session on a real socket, what was answered as text. */
import net from 'node:net';
import { once } from 'node:events';
import { inTime } from '../../support/until.js';

export interface Offer {
  readonly version?: number;
  readonly actions?: number;
  readonly protocol?: number;
}

export interface Answered {
  /** `continue`, `accept`, `reject`, `tempfail`, `discard`, `closed`, or the reply's text. */
  readonly verdict: string;
  /** `add NAME: VALUE`, `insert NAME: VALUE`, `delete NAME #2`, `quarantine REASON`, `progress`, in order. */
  readonly edits: readonly string[];
}

export type Macros = Readonly<Record<string, string>>;

const verdicts: Readonly<Record<string, string>> = {
  c: 'continue',
  a: 'accept',
  r: 'reject',
  t: 'tempfail',
  d: 'discard',
};

/** SMFIP_NO* and SMFIP_NR_* by command. */
const unwanted: Readonly<Record<string, number>> = {
  C: 1,
  H: 2,
  M: 4,
  R: 8,
  B: 0x10,
  L: 0x20,
  N: 0x40,
  U: 0x100,
  T: 0x200,
};
const unanswered: Readonly<Record<string, number>> = {
  C: 0x1000,
  H: 0x2000,
  M: 0x4000,
  R: 0x8000,
  B: 0x80000,
  L: 0x80,
  N: 0x40000,
  U: 0x20000,
  T: 0x10000,
};

function u32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value >>> 0);
  return octets;
}

function packet(code: string, ...parts: readonly (string | Buffer)[]): Buffer {
  const data = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part)));
  return Buffer.concat([u32(data.length + 1), Buffer.from(code), data]);
}

export class MilterClient {
  readonly #socket: net.Socket;
  #octets = Buffer.alloc(0);
  /** What it does not want to be sent, or to answer. */
  protocol = 0;
  /** What the filter wants to be able to do. */
  actions = 0;
  /** The macros it asks for, by stage. */
  macros: Readonly<Record<number, string>> = {};
  closed = false;
  #wake: () => void = () => {};

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (octets: Buffer) => {
      this.#octets = Buffer.concat([this.#octets, octets]);
      this.#wake();
    });
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
    socket.on('error', () => {});
  }

  /** `where`: the path of a UNIX socket, or a port of this host. */
  static async open(where: string | number, offer: Offer = {}): Promise<MilterClient> {
    const socket = typeof where === 'string' ? net.connect(where) : net.connect(where, '127.0.0.1');
    await once(socket, 'connect');
    const client = new MilterClient(socket);
    const { version = 6, actions = 0x1ff, protocol = 0x1f_ffff } = offer;
    socket.write(packet('O', u32(version), u32(actions), u32(protocol)));
    const [, data] = await client.#read();
    client.actions = data.length >= 12 ? data.readUInt32BE(4) : 0;
    client.protocol = data.length >= 12 ? data.readUInt32BE(8) : 0;
    client.macros = macroLists(data.subarray(12));
    return client;
  }

  async #read(): Promise<readonly [code: string, data: Buffer]> {
    for (;;) {
      const length = this.#octets.length < 4 ? Infinity : this.#octets.readUInt32BE(0);
      if (this.#octets.length >= 4 + length) {
        const code = String.fromCharCode(this.#octets[4] ?? 0);
        const data = this.#octets.subarray(5, 4 + length);
        this.#octets = this.#octets.subarray(4 + length);
        return [code, data];
      }
      if (this.closed) return ['closed', Buffer.alloc(0)];
      const changed = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await inTime(changed, 'the filter says something');
    }
  }

  /** One command, its macros before it; waits for the answer where one is due. */
  async say(code: string, parts: readonly (string | Buffer)[] = [], macros: Macros = {}): Promise<Answered> {
    this.send(code, parts, macros);
    const silent = this.protocol & ((unwanted[code] ?? 0) | (unanswered[code] ?? 0));
    return silent ? { verdict: 'continue', edits: [] } : this.answer();
  }

  send(code: string, parts: readonly (string | Buffer)[] = [], macros: Macros = {}): void {
    const pairs = Object.entries(macros).flat();
    if (pairs.length > 0) this.#socket.write(packet('D', Buffer.from(code), ...pairs));
    if (!(this.protocol & (unwanted[code] ?? 0))) this.#socket.write(packet(code, ...parts));
  }

  async answer(): Promise<Answered> {
    const edits: string[] = [];
    for (;;) {
      const [code, data] = await this.#read();
      const edit = editText(code, data);
      if (edit === undefined) return { verdict: verdicts[code] ?? textOf(code, data), edits };
      edits.push(edit);
    }
  }

  connect(ip: string | undefined, macros: Macros = { j: 'mx.test' }): Promise<Answered> {
    if (ip === undefined) return this.say('C', ['localhost', Buffer.from('L\0\0'), '/tmp/x'], macros);
    return this.say('C', ['client', Buffer.from(`${ip.includes(':') ? '6' : '4'}\x10\xe1`, 'latin1'), ip], macros);
  }

  helo(name: string): Promise<Answered> {
    return this.say('H', [name]);
  }

  mail(from: string | Buffer, macros: Macros = {}, parameters: readonly string[] = []): Promise<Answered> {
    const path = Buffer.concat([Buffer.from('<'), Buffer.from(from), Buffer.from('>\0')]);
    return this.say('M', [path, ...parameters], macros);
  }

  rcpt(to: string): Promise<Answered> {
    return this.say('R', [`<${to}>`]);
  }

  data(): Promise<Answered> {
    return this.say('T');
  }

  /** Header, a body, the end; the answer to the end. */
  async message(fields: readonly (readonly [name: string, value: string])[] = []): Promise<Answered> {
    for (const field of fields) await this.say('L', [...field]);
    await this.say('N');
    await this.say('B', [Buffer.from('text\r\n')]);
    return this.say('E', [], { i: 'QUEUEID' });
  }

  abort(): void {
    this.#socket.write(packet('A'));
  }

  quit(): void {
    this.#socket.end(packet('Q'));
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** `u32 stage | names NUL`, any number of them. */
function macroLists(data: Buffer): Record<number, string> {
  const lists: Record<number, string> = {};
  for (let at = 0; at + 4 < data.length;) {
    const end = data.indexOf(0, at + 4);
    lists[data.readUInt32BE(at)] = data.toString('latin1', at + 4, end);
    at = end + 1;
  }
  return lists;
}

const textOf = (code: string, data: Buffer): string =>
  code === 'y' ? data.toString('latin1').replace(/\0$/, '') : code;

function editText(code: string, data: Buffer): string | undefined {
  switch (code) {
    case 'p':
      return 'progress';
    case 'h': {
      const [name, value] = data.toString('latin1').split('\0');
      return `add ${name}: ${value}`;
    }
    case 'i': {
      const [name, value] = data.toString('latin1', 4).split('\0');
      return `insert ${name}: ${value}`;
    }
    case 'm': {
      const [name, value] = data.toString('latin1', 4).split('\0');
      return value === '' ? `delete ${name} #${data.readUInt32BE(0)}` : `change ${name}`;
    }
    case 'q':
      return `quarantine ${data.toString('latin1').replace(/\0$/, '')}`;
    default:
      return undefined;
  }
}
