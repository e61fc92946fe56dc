/**
 * One SMTP connection to the local MTA: octets out, replies in, and every way of losing it. The order of commands
 * belongs to transaction.ts, the message to send-message.ts, keeping connections to pool.ts.
 *
 * nodemailer connects, greets, says EHLO and cuts the octets into replies. Its `send()` is not used: it takes any 2xx
 * before the end of data for success, answers a stray 354 with an empty message, hands over when only some
 * recipients were taken, trims addresses, and has no place for XFORWARD or SMTPUTF8 in header fields.
 */
import net from 'node:net';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { ehloExtensions, parseMtaReply, type MtaReply } from './mta-reply.js';

export type MtaTarget = { readonly host: string; readonly port: number } | { readonly path: string };

/** Hidden from the types of nodemailer 10.6.0. Its own commands stand on these; look here before an update. */
interface Internals {
  /** What to do with each reply that is still to come, in order. */
  readonly _responseActions: ((raw: string) => void)[];
  /** Replies, and the part of one, that arrived and were given to nobody yet. */
  readonly _responseQueue: readonly string[];
  readonly _remainder: string;
}

/** The connection broke, or was dropped because the MTA did not speak SMTP, or took too long. */
export class ConnectionLost extends Error {}

const connectMs = 5_000;
const quitMs = 1_000;
/** A reply of any use is far shorter. */
const maxReplyOctets = 65_536;

export class MtaConnection {
  readonly #socket: net.Socket;
  readonly #smtp: SMTPConnection & Internals;
  readonly #hostname: string;
  #extensions: ReadonlyMap<string, string> = new Map();
  #lost: string | undefined;
  #fail: (error: ConnectionLost) => void = () => undefined;
  #wake: () => void = () => undefined;
  #heard = 0;
  /** Transactions begun here. */
  uses = 0;
  /** A transaction was begun that the MTA has not ended. */
  inTransaction = false;
  /** The XCLIENT command that the MTA goes by, '' for none; undefined when it refused the first. */
  impersonation: string | undefined = '';

  constructor(options: { readonly target: MtaTarget; readonly hostname: string; readonly timeoutMs: number }) {
    const { target, hostname, timeoutMs } = options;
    this.#hostname = hostname;
    this.#socket = net.connect({ ...target });
    this.#smtp = new SMTPConnection({
      connection: this.#socket,
      name: hostname,
      ignoreTLS: true,
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      maxResponseSize: maxReplyOctets,
      socketCloseTimeout: 0, // destroy: octets still in the buffer must not complete a mail that was given up
    }) as SMTPConnection & Internals;
  }

  /** Resolves behind the reply to EHLO; rejects with ConnectionLost. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      // Time may have been over before it began.
      if (this.#lost !== undefined) return reject(new ConnectionLost(this.#lost));
      this.#fail = reject;
      const timer = setTimeout(() => this.drop(`no connection within ${connectMs} ms`), connectMs).unref();
      this.#socket.on('error', (error) => this.drop(problemOf(error))).once('close', () => clearTimeout(timer));
      this.#socket.once('connect', () => {
        clearTimeout(timer);
        this.#smtp.connect();
      });
      this.#smtp.on('error', (error: Error) => this.drop(problemOf(error)));
      this.#smtp.on('end', () => this.drop('connection closed by the MTA'));
      this.#smtp.once('connect', () => {
        this.#learn(parseMtaReply(this.#smtp.lastServerResponse || ''));
        resolve();
      });
    });
  }

  /** What the MTA offered in its last reply to EHLO. */
  get extensions(): ReadonlyMap<string, string> {
    return this.#extensions;
  }

  get alive(): boolean {
    return this.#lost === undefined && this.#socket.writable;
  }

  /** Replies heard so far, those to `open` not counted. */
  get heard(): number {
    return this.#heard;
  }

  /** Sends the lines in one write and resolves with all replies, or with those up to a 421, which is the last (RFC 5321 §3.8). */
  ask(commands: readonly string[]): Promise<readonly MtaReply[]> {
    const replies = this.expect(commands.length);
    if (this.alive) this.#socket.write(commands.map((command) => `${command}\r\n`).join(''));
    return replies;
  }

  /** So many replies to what is written next. */
  expect(count: number): Promise<readonly MtaReply[]> {
    return new Promise((resolve, reject) => {
      if (!this.alive) return reject(this.drop('connection closed by the MTA'));
      // A reply too many would be taken for the answer to the next command, and so for the fate of another mail.
      const unasked = this.#smtp._responseQueue.length > 0 || this.#smtp._remainder !== '';
      if (unasked) return reject(this.drop('the MTA spoke without being asked'));
      this.#fail = reject;
      const replies: MtaReply[] = [];
      const take = (raw: string): void => this.#take(raw, replies, count, resolve);
      for (let i = 0; i < count; i++) this.#smtp._responseActions.push(take);
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
    this.#socket.cork();
    for (const part of octets) this.#socket.write(part);
    this.#socket.uncork();
    return !this.#socket.writableNeedDrain;
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
    this.#smtp.close();
    this.#socket.destroy();
    const lost = new ConnectionLost(problem);
    this.#fail(lost);
    this.#wake();
    return lost;
  }

  #learn(answer: MtaReply | undefined): void {
    this.#extensions = answer ? ehloExtensions(answer) : new Map();
  }

  #take(raw: string, replies: MtaReply[], count: number, done: (replies: readonly MtaReply[]) => void): void {
    const answer = parseMtaReply(raw);
    if (!answer) return void this.drop('the MTA sent what is no SMTP reply');
    this.#heard++;
    replies.push(answer);
    if (replies.length < count && answer.code !== 421) return;
    done(replies);
    this.#wake();
  }
}

/** A host name with several addresses fails with an AggregateError, whose message is empty. */
const problemOf = (error: NodeJS.ErrnoException): string => error.message || error.code || error.name;
