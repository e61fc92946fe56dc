/**
 * One SMTP connection to the local MTA: octets out, replies in, and every way of losing it. The order of commands
 * belongs to transaction.ts, the message to send-message.ts, keeping connections to pool.ts.
 */
import net from 'node:net';
import { ehloExtensions, parseMtaReply, mtaReplyText, type MtaReply } from './mta-reply.js';
import { ReplyReader } from './reply-reader.js';

export type MtaTarget = { readonly host: string; readonly port: number } | { readonly path: string };

/** The connection broke, or was dropped because the MTA did not speak SMTP, or took too long. */
export class ConnectionLost extends Error {}

/** Whoever answers there speaks another protocol: every mail waits until the operator mends the setting. */
export class WrongProtocol extends ConnectionLost {}

const connectMs = 5_000;
const quitMs = 1_000;
/** Room for the replies of one read; an MTA's whole dialogue fits. */
const readOctets = 8_192;
/** Messages up to this size are put together and go out in one write. */
const maxCopied = 65_536;

interface Waiting {
  readonly count: number;
  readonly replies: MtaReply[];
  readonly resolve: (replies: readonly MtaReply[]) => void;
  readonly reject: (error: ConnectionLost) => void;
}

/**
 * What is written next, if it is small. The octets are the socket's until it has taken them; then they are free
 * again.
 */
let scratch = Buffer.allocUnsafeSlow(maxCopied);

export class MtaConnection {
  readonly #socket: net.Socket;
  readonly #reader = new ReplyReader();
  readonly #hostname: string;
  readonly #timeoutMs: number;
  #extensions: ReadonlyMap<string, string> = new Map();
  #greetingText = '';
  #lost: string | undefined;
  #connected: () => void = () => undefined;
  #waiting: Waiting | undefined;
  #wake: () => void = () => undefined;
  #heard = 0;
  /** Transactions begun here. */
  uses = 0;
  /** It is true when a transaction was begun that the MTA has not ended. */
  inTransaction = false;
  /** The XCLIENT command that the MTA goes by, '' for none; undefined when it refused the first. */
  impersonation: string | undefined = '';

  constructor(options: { readonly target: MtaTarget; readonly hostname: string; readonly timeoutMs: number }) {
    this.#hostname = options.hostname;
    this.#timeoutMs = options.timeoutMs;
    const buffer = Buffer.allocUnsafeSlow(readOctets);
    this.#socket = net.connect({
      ...options.target,
      noDelay: true,
      onread: { buffer, callback: (octets) => this.#read(buffer.toString('latin1', 0, octets)) },
    });
    this.#socket.on('error', (error) => this.drop(problemOf(error)));
    this.#socket.on('end', () => this.drop('connection closed by the MTA'));
    this.#socket.on('close', () => this.drop('connection closed by the MTA'));
    this.#socket.on('connect', () => this.#connected());
  }

  /** Resolves behind the reply to EHLO; rejects with ConnectionLost. */
  async open(): Promise<void> {
    const [greeting] = await this.#heardGreeting();
    if (greeting?.code !== 220) throw this.drop(`the MTA greeted with ${said(greeting)}`);
    this.#greetingText = greeting.text;
    const [answer] = await this.ask([`EHLO ${this.#hostname}`]);
    if (answer?.code === 250) return this.#learn(answer);
    // RFC 5321 §3.2: an old server knows HELO.
    const [old] = await this.ask([`HELO ${this.#hostname}`]);
    if (old?.code === 250) return undefined;
    const lost = this.drop(`EHLO was answered ${said(answer)}, HELO ${said(old)}`);
    throw isUnknownCommand(answer) ? new WrongProtocol(`${lost.message}: is it LMTP?`) : lost;
  }

  #heardGreeting(): Promise<readonly MtaReply[]> {
    const timer = setTimeout(() => this.drop(`no connection within ${connectMs} ms`), connectMs).unref();
    const late = setTimeout(() => this.drop(`no greeting within ${this.#timeoutMs} ms`), this.#timeoutMs).unref();
    this.#connected = () => clearTimeout(timer);
    return this.expect(1).finally(() => {
      clearTimeout(timer);
      clearTimeout(late);
    });
  }

  /** What stood behind the 220: printable ASCII. */
  get greeting(): string {
    return this.#greetingText;
  }

  /** What the MTA offered in its last reply to EHLO. */
  get extensions(): ReadonlyMap<string, string> {
    return this.#extensions;
  }

  get alive(): boolean {
    return this.#lost === undefined && this.#socket.writable;
  }

  /** Replies heard so far. */
  get heard(): number {
    return this.#heard;
  }

  /**
   * Sends the lines in one write and resolves with all replies, or with those up to a 421, which is the last (RFC
   * 5321 §3.8).
   */
  ask(commands: readonly string[]): Promise<readonly MtaReply[]> {
    const replies = this.expect(commands.length);
    if (this.alive) this.#socket.write(`${commands.join('\r\n')}\r\n`, 'utf8');
    return replies;
  }

  /** So many replies to what is written next. */
  expect(count: number): Promise<readonly MtaReply[]> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) return reject(new ConnectionLost(this.#lost));
      // A reply too many would be taken for the answer to the next command, and so for the fate of another mail.
      if (this.#reader.isInReply) return reject(this.drop('the MTA spoke without being asked'));
      this.#waiting = { count, replies: [], resolve, reject };
    });
  }

  /** A fresh EHLO, with the first of the names that the MTA takes, ours being the last. */
  async hello(names: readonly string[]): Promise<void> {
    for (const name of [...names, this.#hostname]) {
      const [answer] = await this.ask([`EHLO ${name}`]);
      if (answer?.code === 250) return this.#learn(answer);
    }
    throw this.drop('EHLO refused behind XCLIENT');
  }

  /** Octets of a message, in one write. False when the MTA reads slower than this: wait for `drained`. */
  write(octets: readonly Buffer[]): boolean {
    if (!this.alive) return true;
    const size = octets.reduce((sum, part) => sum + part.length, 0);
    if (size <= maxCopied) this.#writeCopied(octets, size);
    else {
      this.#socket.cork();
      for (const part of octets) this.#socket.write(part);
      this.#socket.uncork();
    }
    return !this.#socket.writableNeedDrain;
  }

  #writeCopied(octets: readonly Buffer[], size: number): void {
    let at = 0;
    for (const part of octets) at += part.copy(scratch, at);
    this.#socket.write(scratch.subarray(0, size));
    if (this.#socket.writableLength > 0) scratch = Buffer.allocUnsafeSlow(maxCopied);
  }

  /** Resolves when the MTA has read what was written, said something, or is gone. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#socket.once('drain', resolve);
    });
  }

  /** Ends the session politely. */
  async quit(): Promise<void> {
    const timer = setTimeout(() => this.drop('no reply to QUIT'), quitMs).unref();
    await this.ask(['QUIT']).catch(() => undefined);
    clearTimeout(timer);
    this.drop('closed');
  }

  /** Closes at once, without QUIT and without what is still in the buffer; every wait ends with the problem. */
  drop(problem: string): ConnectionLost {
    if (this.#lost !== undefined) return new ConnectionLost(this.#lost);
    this.#lost = problem;
    this.#socket.destroy();
    const lost = new ConnectionLost(problem);
    this.#waiting?.reject(lost);
    this.#waiting = undefined;
    this.#wake();
    return lost;
  }

  #learn(answer: MtaReply): void {
    this.#extensions = ehloExtensions(answer);
  }

  /** True: go on reading. */
  #read(octets: string): boolean {
    if (this.#lost !== undefined) return false;
    if (!this.#reader.read(octets, this.#take)) this.drop('the MTA sent what is no SMTP reply');
    return true;
  }

  readonly #take = (raw: string): void => {
    const waiting = this.#waiting;
    const answer = parseMtaReply(raw);
    if (!waiting) return void this.drop(answer?.code === 421 ? said(answer) : 'the MTA spoke without being asked');
    if (!answer) return void this.drop(`the MTA sent what is no SMTP reply: ${raw.slice(0, 100)}`);
    this.#heard++;
    waiting.replies.push(answer);
    if (waiting.replies.length < waiting.count && answer.code !== 421) return;
    this.#waiting = undefined;
    waiting.resolve(waiting.replies);
    this.#wake();
  };
}

const said = (answer: MtaReply | undefined): string => (answer ? mtaReplyText(answer) : 'nothing');

/** LMTP has LHLO, and knows neither EHLO nor HELO (RFC 2033 §4.1). */
const isUnknownCommand = (answer: MtaReply | undefined): boolean => answer?.code === 500 || answer?.code === 502;

/** A host name with several addresses fails with an AggregateError, whose message is empty. */
const problemOf = (error: NodeJS.ErrnoException): string => error.message || error.code || error.name;
