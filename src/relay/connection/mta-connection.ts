/**
 * One SMTP or LMTP connection to an MTA behind: octets out, replies in, and every way of losing it. Leaves greeting,
 * EHLO and STARTTLS to opening.ts, the order of commands to transaction.ts, the message to send-message.ts, and keeping
 * connections to pool.ts.
 */
import net from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Destination } from '../destination/destination.js';
import { type Names, systemNames } from './names.js';
import { atTurnEnd, dealtWith, moreMayCome } from '../../turn-end.js';
import { noOffers, Offers } from './offers.js';
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

/** Whoever waits for replies. Is told once, in the middle of reading or of a call. */
export interface ReplyTaker {
  /** All that were asked for, or those up to a 421, which is the last (RFC 5321 §3.8). */
  answered(replies: readonly MtaReply[]): void;
  /** The connection was lost before. */
  lost(problem: string): void;
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
  #offers = noOffers;
  #lost: string | undefined;
  #unwritten: string | readonly Buffer[] | undefined;
  #taker: ReplyTaker | undefined;
  #replies: MtaReply[] = [];
  /** So many replies that were asked for are still to come. */
  #missing = 0;
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
    const callback = (octets: number): boolean => {
      const goesOn = this.#read(buffer.toString('latin1', 0, octets));
      // What a full buffer has left behind would be taken for the answer to whatever is said next.
      if (octets < readOctets) dealtWith();
      else moreMayCome();
      return goesOn;
    };
    return net.connect({ ...target, noDelay: true, onread: { buffer, callback } });
  }

  #hearLosses(socket: net.Socket): void {
    socket.on('error', (error) => this.close(problemOf(error)));
    socket.on('end', () => this.close('connection closed by the MTA'));
    socket.on('close', () => this.close('connection closed by the MTA'));
  }

  /** Calls back once the MTA's machine has taken the connection. */
  whenConnected(call: () => void): void {
    this.#socket.once('connect', call);
  }

  /** What the MTA offered in its last reply to EHLO or LHLO. */
  get offers(): Offers {
    return this.#offers;
  }

  get alive(): boolean {
    return this.#lost === undefined && this.#socket.writable;
  }

  /** Replies heard so far. */
  get heard(): number {
    return this.#heard;
  }

  /**
   * Have octets of what is written not left yet? Where they are encrypted it is known of those alone that go out at the
   * end of the turn.
   */
  get isSending(): boolean {
    if (this.#unwritten !== undefined) return true;
    return this.#socket.writableLength > 0 && !(this.#socket instanceof TLSSocket);
  }

  /** Sends whole lines in one write. */
  say(lines: string, expected: number, taker: ReplyTaker): void {
    this.expect(expected, taker);
    this.#writeSoon(lines);
  }

  /** So many replies to what is written next. */
  expect(expected: number, taker: ReplyTaker): void {
    // A reply too many would be taken for the answer to the next command, and so for the fate of another mail.
    if (this.#reader.isInReply) this.close('the MTA spoke without being asked');
    if (this.#lost !== undefined) return taker.lost(this.#lost);
    this.#taker = taker;
    this.#replies = [];
    this.#missing = expected;
    return undefined;
  }

  /** One command and its reply; rejects with ConnectionLost. */
  ask(command: string): Promise<MtaReply> {
    return promised((taker) => this.say(`${command}\r\n`, 1, taker));
  }

  /** The reply to what is written next. */
  reply(): Promise<MtaReply> {
    return promised((taker) => this.expect(1, taker));
  }

  /** Says who we are, and learns what the MTA offers. The name is ours where it is not given. */
  async introduce(name = this.#hostname): Promise<MtaReply> {
    const answer = await this.ask(`${this.destination.protocol === 'lmtp' ? 'LHLO' : 'EHLO'} ${name}`);
    if (answer.code === 250) this.#offers = new Offers(ehloExtensions(answer));
    return answer;
  }

  /** A fresh EHLO, with the first of the names that the MTA takes, ours being the last. */
  async introduceAnew(names: readonly string[]): Promise<void> {
    for (const name of [...names, this.#hostname]) if ((await this.introduce(name)).code === 250) return;
    throw this.drop('EHLO refused behind XCLIENT');
  }

  /**
   * Goes on over TLS, behind the MTA's 220 to STARTTLS. What was offered before is forgotten (RFC 3207 §4.2). `wrap`
   * resolves when hands are shaken; whatever it rejects with ends the connection.
   */
  async secure(wrap: (socket: net.Socket) => Promise<TLSSocket>): Promise<void> {
    const plain = this.#socket.off('data', this.#take);
    // What came with the 220 may be anybody's (CVE-2011-0411).
    if (this.#lost !== undefined || this.#reader.isInReply) throw this.drop('the MTA spoke without being asked');
    this.#offers = noOffers;
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
    if (what === undefined || !this.alive) return undefined;
    if (typeof what !== 'string') return this.#writeOctets(what);
    if (this.#reader.isInReply) return this.close('the MTA spoke without being asked');
    this.#socket.write(what, 'utf8');
    return undefined;
  };

  #writeOctets(octets: readonly Buffer[]): void {
    let size = 0;
    for (const { length } of octets) size += length;
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
    const timer = setTimeout(() => this.close('no reply to QUIT'), quitMs).unref();
    await this.ask('QUIT').catch(() => undefined);
    clearTimeout(timer);
    this.close('closed');
  }

  /** Closes at once, without QUIT and without what is still in the buffer; every wait ends with the problem. */
  close(problem: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = problem;
    this.#socket.destroy();
    if (this.#missing > 0) this.#lastTaker()?.lost(problem);
    this.#wake();
  }

  /** The same for whoever throws what came of it. */
  drop(problem: string): ConnectionLost {
    this.close(problem);
    return new ConnectionLost(this.#lost);
  }

  /** TLS hands out one record after the other. */
  readonly #take = (octets: Buffer): void => {
    this.#read(octets.toString('latin1'));
    moreMayCome();
  };

  /**
   * True: go on reading. Whoever asked goes on when all octets were looked at: a reply too many must not answer what is
   * said next.
   */
  #read(octets: string): boolean {
    if (this.#lost !== undefined) return false;
    if (!this.#reader.read(octets, this.#hear)) this.close('the MTA sent what is no SMTP reply');
    if (this.#taker !== undefined && this.#missing === 0) {
      this.#lastTaker()?.answered(this.#replies);
      this.#wake();
    }
    return true;
  }

  #lastTaker(): ReplyTaker | undefined {
    const taker = this.#taker;
    this.#taker = undefined;
    return taker;
  }

  readonly #hear = (raw: string): void => {
    if (this.#lost !== undefined) return undefined;
    const answer = parseMtaReply(raw);
    // What is said before the commands have gone out does not answer them.
    if (this.#missing === 0 || typeof this.#unwritten === 'string')
      return this.close(answer?.code === 421 ? mtaReplyText(answer) : 'the MTA spoke without being asked');
    if (!answer) return this.close(`the MTA sent what is no SMTP reply: ${raw.slice(0, 100)}`);
    this.#heard++;
    this.#replies.push(answer);
    this.#missing = answer.code === 421 ? 0 : this.#missing - 1;
    return undefined;
  };
}

const promised = (ask: (taker: ReplyTaker) => void): Promise<MtaReply> =>
  new Promise((resolve, reject) => {
    const lost = (problem: string): void => reject(new ConnectionLost(problem));
    ask({ answered: ([answer]) => (answer ? resolve(answer) : lost('no reply')), lost });
  });

/** A host name with several addresses fails with an AggregateError, whose message is empty. */
const problemOf = (error: NodeJS.ErrnoException): string => error.message || error.code || error.name;
