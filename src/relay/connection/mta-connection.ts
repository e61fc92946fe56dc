/**
 * One SMTP or LMTP connection to an MTA behind: octets out, replies in, and every way of losing it. Leaves greeting,
 * EHLO and STARTTLS to opening.ts, the order of commands to transaction.ts, the message to send-message.ts, and keeping
 * connections to pool.ts.
 */
import net from 'node:net';
import type tls from 'node:tls';
import type { Destination } from '../destination/destination.js';
import { type Names, systemNames } from './names.js';
import { atTurnEnd } from '../../turn-end.js';
import { ehloExtensions, parseMtaReply, mtaReplyText, type MtaReply } from './mta-reply.js';
import { ReplyReader } from './reply-reader.js';

export interface MtaConnectionOptions {
  readonly destination: Destination;
  /** Our EHLO name. */
  readonly hostname: string;
  /** The longest time until the reply to EHLO. */
  readonly timeoutMs: number;
  /** Those of the system where it is not given. */
  readonly names?: Names;
}

/** The connection broke, or was dropped because the MTA did not speak SMTP, or took too long. */
export class ConnectionLost extends Error {}

/** Whoever answers there is not the one to ask: every mail waits until the operator mends the setting. */
export class WrongServer extends ConnectionLost {}

const quitMs = 1_000;
/** Room for the replies of one read; an MTA's whole dialogue fits. */
const readOctets = 8_192;
/** Messages up to this size are put together and go out in one write. */
const maxCopied = 65_536;
/** How long an address is waited for before the name's next one is tried beside it. */
const nextAddressMs = 1_000;

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
  readonly destination: Destination;
  #socket: net.Socket;
  readonly #reader = new ReplyReader();
  #extensions: ReadonlyMap<string, string> = new Map();
  #lost: string | undefined;
  #unwritten: string | readonly Buffer[] | undefined;
  #waiting: Waiting | undefined;
  #wake: () => void = () => undefined;
  #heard = 0;
  /** What stood behind the 220: printable ASCII; '' before it. */
  greeting = '';
  /** Transactions begun here. */
  uses = 0;
  /** It is true when a transaction was begun that the MTA has not ended. */
  inTransaction = false;
  /** The XCLIENT command that the MTA goes by, '' for none; undefined when it refused the first. */
  impersonation: string | undefined = '';
  readonly #hostname: string;

  constructor({ destination, hostname, names = systemNames }: MtaConnectionOptions) {
    this.destination = destination;
    this.#hostname = hostname;
    this.#socket = this.#connect(names);
    this.#hearLosses(this.#socket);
  }

  #connect(names: Names): net.Socket {
    const { at, tls: use } = this.destination;
    const target =
      at.kind === 'unix'
        ? { path: at.path }
        : {
            host: at.host,
            port: at.port,
            lookup: names.lookup,
            autoSelectFamily: true,
            autoSelectFamilyAttemptTimeout: nextAddressMs,
          };
    // Read into one buffer, which a handshake could not take over.
    if (use !== 'no') return net.connect({ ...target, noDelay: true }).on('data', this.#take);
    const buffer = Buffer.allocUnsafeSlow(readOctets);
    const callback = (octets: number): boolean => this.#read(buffer.toString('latin1', 0, octets));
    return net.connect({ ...target, noDelay: true, onread: { buffer, callback } });
  }

  #hearLosses(socket: net.Socket): void {
    socket.on('error', (error) => this.drop(problemOf(error)));
    socket.on('end', () => this.drop('connection closed by the MTA'));
    socket.on('close', () => this.drop('connection closed by the MTA'));
  }

  /** Calls back once the MTA's machine has taken the connection. */
  whenConnected(call: () => void): void {
    this.#socket.once('connect', call);
  }

  /** What the MTA offered in its last reply to EHLO or LHLO. */
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
    this.#writeSoon(`${commands.join('\r\n')}\r\n`);
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

  /** Says who we are, and learns what the MTA offers. The name is ours where it is not given. */
  async introduce(name = this.#hostname): Promise<MtaReply | undefined> {
    const [answer] = await this.ask([`${this.destination.protocol === 'lmtp' ? 'LHLO' : 'EHLO'} ${name}`]);
    if (answer?.code === 250) this.#extensions = ehloExtensions(answer);
    return answer;
  }

  /** A fresh EHLO, with the first of the names that the MTA takes, ours being the last. */
  async introduceAnew(names: readonly string[]): Promise<void> {
    for (const name of [...names, this.#hostname]) if ((await this.introduce(name))?.code === 250) return;
    throw this.drop('EHLO refused behind XCLIENT');
  }

  /**
   * Goes on over TLS, behind the MTA's 220 to STARTTLS. What was offered before is forgotten (RFC 3207 §4.2). `wrap`
   * resolves when hands are shaken; whatever it rejects with ends the connection.
   */
  async secure(wrap: (socket: net.Socket) => Promise<tls.TLSSocket>): Promise<void> {
    const plain = this.#socket.off('data', this.#take);
    // What came with the 220 may be anybody's (CVE-2011-0411).
    if (this.#lost !== undefined || this.#reader.isInReply) throw this.drop('the MTA spoke without being asked');
    this.#extensions = new Map();
    const secured = await wrap(plain);
    this.#socket = secured.on('data', this.#take);
    this.#hearLosses(secured);
    if (this.#lost !== undefined) throw this.drop(this.#lost);
  }

  /** Octets of a message, in one write. False when the MTA reads slower than this: wait for `drained`. */
  write(octets: readonly Buffer[]): boolean {
    this.#writeSoon(octets);
    return !this.#socket.writableNeedDrain;
  }

  /** Goes out at the end of the turn, or before whatever is written next. */
  #writeSoon(what: string | readonly Buffer[]): void {
    if (this.#unwritten === undefined) atTurnEnd(this.#flush);
    else this.#flush();
    this.#unwritten = what;
  }

  readonly #flush = (): void => {
    const what = this.#unwritten;
    this.#unwritten = undefined;
    if (what === undefined || !this.alive) return;
    if (typeof what === 'string') this.#socket.write(what, 'utf8');
    else this.#writeOctets(what);
  };

  #writeOctets(octets: readonly Buffer[]): void {
    const size = octets.reduce((sum, part) => sum + part.length, 0);
    if (size > maxCopied) {
      this.#socket.cork();
      for (const part of octets) this.#socket.write(part);
      this.#socket.uncork();
      return;
    }
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

  readonly #take = (octets: Buffer): void => void this.#read(octets.toString('latin1'));

  /** True: go on reading. */
  #read(octets: string): boolean {
    if (this.#lost !== undefined) return false;
    if (!this.#reader.read(octets, this.#hear)) this.drop('the MTA sent what is no SMTP reply');
    return true;
  }

  readonly #hear = (raw: string): void => {
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

/** A host name with several addresses fails with an AggregateError, whose message is empty. */
const problemOf = (error: NodeJS.ErrnoException): string => error.message || error.code || error.name;
