/**
 * An SMTP server that does exactly what a test's script says, octet by octet, and remembers everything it was told.
 * Unscripted steps are answered as a good MTA would.
 */
import net, { type AddressInfo } from 'node:net';

export type Verb =
  | 'CONNECT'
  | 'EHLO'
  | 'LHLO'
  | 'STARTTLS'
  | 'HELO'
  | 'XFORWARD'
  | 'XCLIENT'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'PART'
  | '.'
  | 'RSET'
  | 'QUIT';

export interface Step {
  readonly verb: Verb;
  /** The command without CRLF, as latin1. */
  readonly line: string;
  /** Counts connections, from 1. */
  readonly connection: number;
  /** Counts MAIL commands over all connections. */
  readonly mail: number;
}

/** A reply without its last CRLF; or what is done instead. `undefined` is the default reply. */
export type Answer = string | undefined | { readonly act: 'close' | 'reset' | 'silence' | 'stall' | 'garble' };
export const close: Answer = { act: 'close' };
export const reset: Answer = { act: 'reset' };
export const silence: Answer = { act: 'silence' };
/** Says yes to DATA, and reads no octet of the message. */
export const stall: Answer = { act: 'stall' };
/** Says yes to STARTTLS, and answers the handshake by what is none. */
export const garble: Answer = { act: 'garble' };

export interface Received {
  readonly from: string;
  readonly to: readonly string[];
  /** As on the wire: dots stuffed, without the final `.CRLF`. */
  readonly wire: Buffer;
}

export interface Options {
  readonly extensions?: readonly string[];
  readonly script?: (step: Step) => Answer;
  readonly path?: string;
}

export class ScriptedMta {
  readonly lines: string[][] = [];
  /** Whose end of data arrived. */
  readonly messages: Received[] = [];
  readonly #options: Options;
  readonly #sockets = new Set<net.Socket>();
  readonly #server: net.Server;
  mails = 0;

  constructor(options: Options) {
    this.#options = options;
    this.#server = net.createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  static async start(options: Options = {}): Promise<ScriptedMta> {
    const mta = new ScriptedMta(options);
    await mta.listen(0);
    return mta;
  }

  listen(port: number): Promise<void> {
    const { path } = this.#options;
    return new Promise((resolve) =>
      this.#server.listen(path === undefined ? { port, host: '127.0.0.1' } : { path }, resolve),
    );
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Sessions that are not over. */
  get open(): number {
    return this.#sockets.size;
  }

  /** All command lines of all sessions. */
  get said(): readonly string[] {
    return this.lines.flat();
  }

  async stop(): Promise<void> {
    const stopped = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.disconnect();
    await stopped;
  }

  /** Ends every session, as an MTA does that is restarted. */
  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Lets stalled sessions read what has been sent to them. */
  read(): void {
    for (const socket of this.#sockets) socket.resume();
  }

  #serve(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    const session = new Session(socket, this, this.#options, this.lines.push([]));
    session.step('CONNECT', '');
    socket.on('data', (octets) => session.feed(octets));
  }
}

class Session {
  readonly #socket: net.Socket;
  readonly #mta: ScriptedMta;
  readonly #options: Options;
  readonly #number: number;
  #buffer: Buffer = Buffer.alloc(0);
  #data: Buffer[] | undefined;
  #from = '';
  #to: string[] = [];
  #stopped = false;

  constructor(socket: net.Socket, mta: ScriptedMta, options: Options, number: number) {
    this.#socket = socket;
    this.#mta = mta;
    this.#options = options;
    this.#number = number;
  }

  feed(octets: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, octets]);
    while (!this.#stopped && this.#buffer.length > 0 && (this.#data ? this.#readData() : this.#readLine())) continue;
  }

  step(verb: Verb, line: string): string {
    if (verb === 'MAIL') this.#mta.mails++;
    const scripted = this.#options.script?.({ verb, line, connection: this.#number, mail: this.#mta.mails });
    if (typeof scripted === 'object') return this.#act(scripted.act);
    const answer = scripted ?? this.#usual(verb);
    if (answer !== '') this.#socket.write(Buffer.from(`${answer}\r\n`, 'latin1'));
    return answer;
  }

  #act(act: 'close' | 'reset' | 'silence' | 'stall' | 'garble'): string {
    if (act === 'garble') this.#socket.once('data', () => this.#socket.end('no TLS\r\n')).write('220 go ahead\r\n');
    if (act === 'stall') this.#socket.pause().write('354 go ahead\r\n');
    if (act === 'close') this.#socket.end();
    if (act === 'reset') this.#socket.resetAndDestroy();
    if (act === 'stall') this.#data = [];
    this.#stopped = act !== 'stall';
    return '';
  }

  #usual(verb: Verb): string {
    if (verb === 'CONNECT' || verb === 'XCLIENT') return '220 mta.example ESMTP';
    if (verb === 'EHLO' || verb === 'LHLO')
      return ['mta.example', ...(this.#options.extensions ?? [])]
        .map((text, i, all) => `250${i < all.length - 1 ? '-' : ' '}${text}`)
        .join('\r\n');
    if (verb === 'DATA') return this.#to.length > 0 ? '354 go ahead' : '554 5.5.1 no valid recipients';
    if (verb === '.') return `250 2.0.0 Ok: queued as Q${this.#mta.messages.length}`;
    if (verb === 'QUIT') return '221 2.0.0 bye';
    return verb === 'PART' ? '' : '250 2.1.0 Ok';
  }

  #readLine(): boolean {
    const end = this.#buffer.indexOf('\n');
    if (end < 0) return false;
    const line = this.#buffer.subarray(0, end).toString('latin1').replace(/\r$/, '');
    this.#buffer = this.#buffer.subarray(end + 1);
    this.#mta.lines[this.#number - 1]?.push(line);
    const verb = line.split(/[ :]/)[0]?.toUpperCase() as Verb;
    const answer = this.step(verb, line);
    this.#follow(verb, line, answer);
    return true;
  }

  #follow(verb: Verb, line: string, answer: string): void {
    if (verb === 'MAIL') [this.#from, this.#to] = [line, []];
    if (verb === 'RCPT' && answer.startsWith('2')) this.#to.push(line);
    if (verb === 'RSET') this.#to = [];
    if (verb === 'DATA' && answer.startsWith('354')) this.#data = [];
    if (verb === 'QUIT' || /^421/.test(answer)) this.#socket.end();
  }

  #readData(): boolean {
    const parts = this.#data ?? [];
    parts.push(this.#buffer);
    this.#buffer = Buffer.alloc(0);
    // Linear: where the end is not in the last part and a few octets before, nothing is put together.
    const tail = Buffer.concat(parts.slice(-5)).subarray(-(parts.at(-1)?.length ?? 0) - 4);
    if (!tail.includes('\r\n.\r\n') && Buffer.concat(parts.slice(0, 3)).indexOf('.\r\n') !== 0) {
      this.step('PART', '');
      return false;
    }
    this.#finish(Buffer.concat(parts));
    return true;
  }

  #finish(all: Buffer): void {
    const end = all.indexOf('.\r\n') === 0 ? 0 : all.indexOf('\r\n.\r\n') + 2;
    this.#data = undefined;
    this.#buffer = all.subarray(end + 3);
    this.#mta.messages.push({ from: this.#from, to: this.#to, wire: all.subarray(0, end) });
    const answer = this.step('.', '');
    if (/^421/.test(answer)) this.#socket.end();
    this.#to = [];
  }
}
