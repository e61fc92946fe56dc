/**
 * An SMTP client that says exactly the octets it is given, at once or in pieces, and hangs up as rudely as it is
 * told.
 */
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';

export interface RawClientOptions {
  readonly port: number;
  /** A loopback address to come from, for example 127.0.0.2. */
  readonly from?: string;
  /** Says this before it hears the greeting. */
  readonly early?: string;
}

const patienceMs = 10_000;

export class RawClient {
  /** Everything heard, whole replies only, without their last line end. */
  readonly replies: string[] = [];
  /** The server closed its side. */
  ended = false;
  closed = false;
  readonly #tcp: net.Socket;
  /** TCP, or TLS above it. */
  #socket: net.Socket;
  #text = '';
  #taken = 0;
  #wake: () => void = () => {};

  private constructor({ port, from, early }: RawClientOptions) {
    this.#tcp = net.connect({
      host: '127.0.0.1',
      port,
      allowHalfOpen: true,
      ...(from !== undefined && { localAddress: from }),
    });
    this.#socket = this.#tcp;
    this.#tcp.setNoDelay(true);
    if (early !== undefined) this.#socket.write(early);
    this.#listenTo(this.#socket);
  }

  /** Connects and hears the greeting, unless it is told to talk early. */
  static async open(options: RawClientOptions): Promise<RawClient> {
    const client = new RawClient(options);
    if (options.early === undefined) await client.reply();
    return client;
  }

  /** Connects and hears nothing yet. */
  static connect(options: RawClientOptions): RawClient {
    return new RawClient(options);
  }

  #listenTo(socket: net.Socket): void {
    socket.on('data', (octets: Buffer) => {
      this.#text += octets.toString('latin1');
      for (let whole = reply.exec(this.#text); whole; whole = reply.exec(this.#text)) {
        this.replies.push(whole[0].trimEnd());
        this.#text = this.#text.slice(whole[0].length);
      }
      this.#wake();
    });
    socket.on('end', () => this.#gone('ended'));
    socket.on('error', () => this.#gone('closed'));
    socket.on('close', () => this.#gone('closed'));
  }

  #gone(how: 'ended' | 'closed'): void {
    this.ended = true;
    if (how === 'closed') this.closed = true;
    this.#wake();
  }

  /** The next reply that was not asked for yet; '' when the connection ends, or nothing comes, before it. */
  async reply(ms = patienceMs): Promise<string> {
    const at = this.#taken;
    await this.#until(() => this.replies.length > at || this.ended, ms);
    if (this.replies.length > at) this.#taken++;
    return this.replies[at] ?? '';
  }

  /** The next `count` replies. */
  async hear(count: number, ms = patienceMs): Promise<string[]> {
    const heard: string[] = [];
    for (let i = 0; i < count; i++) heard.push(await this.reply(ms));
    return heard;
  }

  /** All replies still to come, up to the end of the connection. */
  async rest(ms = patienceMs): Promise<string[]> {
    await this.#until(() => this.ended, ms);
    return this.replies.slice(this.#taken);
  }

  /** Did the server close its side within this time? */
  async hungUp(ms = patienceMs): Promise<boolean> {
    await this.#until(() => this.ended, ms);
    return this.ended;
  }

  async #until(done: () => boolean, ms: number): Promise<void> {
    const end = Date.now() + ms;
    while (!done() && Date.now() < end) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      await Promise.race([woken, sleep(Math.min(end - Date.now(), 1000), undefined, { ref: false })]);
    }
  }

  /** Octets as they are: a string's characters are octets (latin1). */
  write(octets: string | Buffer): boolean {
    if (this.closed) return true;
    return this.#socket.write(typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets);
  }

  /**
   * Waits until the kernel took what was written, or the connection is gone; false when neither happens in this time.
   */
  async drained(ms = patienceMs): Promise<boolean> {
    const socket = this.#socket;
    if (this.closed || !socket.writableNeedDrain) return true;
    const taken = new Promise<boolean>((resolve) => {
      const settle = (): void => {
        socket.off('drain', settle).off('close', settle);
        resolve(true);
      };
      socket.on('drain', settle).on('close', settle);
    });
    return Promise.race([taken, sleep(ms, false, { ref: false })]);
  }

  /** One line, CRLF behind it, and its reply. */
  say(line: string): Promise<string> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  /** Line by line, each after the reply to the last; the last reply. */
  async sayAll(...lines: readonly string[]): Promise<string> {
    let last = '';
    for (const line of lines) last = await this.say(line);
    return last;
  }

  /** Octet by octet, until all is said or the server hangs up. */
  async drip(text: string, ms: number): Promise<void> {
    for (const octet of text) {
      if (this.ended) return;
      this.write(octet);
      await sleep(ms);
    }
  }

  /** Stops reading what the server says. */
  pause(): void {
    this.#socket.pause();
  }

  /** Closes our side and goes on listening. */
  finish(): void {
    this.#socket.end();
  }

  /** Hangs up with RST. */
  reset(): void {
    this.#tcp.resetAndDestroy();
  }

  end(): void {
    this.#socket.destroy();
  }

  /** Begins the handshake behind the 220 to STARTTLS; `ticket` is there when the server has sent one. */
  secure(options: tls.ConnectionOptions): { readonly secure: tls.TLSSocket; readonly ticket: Promise<Buffer> } {
    this.#socket.removeAllListeners('data').removeAllListeners('end');
    const secure = tls.connect({ socket: this.#socket, rejectUnauthorized: false, ...options });
    this.#socket = secure;
    return { secure, ticket: new Promise((resolve) => secure.once('session', resolve)) };
  }

  /** The handshake behind the 220 to STARTTLS; the certificate that the server showed, or the error. */
  async handshake(options: tls.ConnectionOptions = {}): Promise<tls.PeerCertificate | Error> {
    const { secure } = this.secure(options);
    const answer = await new Promise<tls.PeerCertificate | Error>((resolve) => {
      secure.once('secureConnect', () => resolve(secure.getPeerCertificate()));
      secure.once('error', resolve);
      secure.once('close', () => resolve(new Error('closed')));
    });
    this.#listenTo(secure);
    return answer;
  }
}

const reply = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r?\n/;
