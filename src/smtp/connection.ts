/**
 * One client's connection: octets in, commands and text out of them, replies back. What can be answered at once is answered
 * without a promise, and all replies to one read go out in one write. What is said and decided is the session's; whoever a
 * client may be taken for, and whether it may stay, is decided here.
 */
import type net from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type Eventual, after } from '../mail/eventual.js';
import type { Ip } from '../mail/ip.js';
import { type Reply, closing, reply, wireText } from '../mail/reply.js';
import { type Command, parseCommand } from './command.js';
import { DataReader } from './data-reader.js';
import type { ConnectionLimits } from './limits.js';
import type { Services } from './services.js';
import { type Client, SmtpSession } from './session.js';
import { tlsFactsOf } from './tls-facts.js';
import { type XclientAttributes, xclientNames } from './xclient.js';
import type { Parsed } from '../mail/address.js';

/** What a connection sees of the listener it came by (server.ts). */
export interface Owner {
  readonly services: Services;
  readonly limits: ConnectionLimits;
  /** How long a client may pause in the middle of its message. */
  readonly idleMs: number;
  readonly connections: Set<Connection>;
  readonly hasCertificate: boolean;
  readonly stopping: boolean;
  /** Mails read to their end and not answered yet. */
  inFlight: number;
  isXclientPeer(ip: Ip): boolean;
  /** Makes the handshake; returns what ends it early. */
  startTls(socket: net.Socket, done: (secured: TLSSocket | undefined) => void): () => void;
  failed(error: Error): void;
}

const nothing = Buffer.alloc(0);
const LF = 0x0a;
const CR = 0x0d;

export class Connection {
  readonly #listener: Owner;
  /** The connecting host, or whom its PROXY header names. */
  readonly #peer: Ip;
  #socket: net.Socket;
  #session: SmtpSession;
  /** Has XCLIENT said who the client is? It is said once. */
  #named = false;
  #admitted: Ip | undefined;
  /** Read and not looked at yet. */
  #unread: Buffer = nothing;
  /** It reads the octets while they are a message's. */
  #text: DataReader | undefined;
  /** Replies that are not written yet. */
  #replies = '';
  #errors = 0;
  /** It waits for us: nothing further is read until the answer is there. */
  #answering = false;
  /** It does not read its replies, so nothing more is read from it. */
  #clogged = false;
  /** Others have their turn of the event loop. */
  #yielding = false;
  /** What ends the handshake that is under way. */
  #handshake: (() => void) | undefined;
  #securing = false;
  /** It has closed its side. */
  #ended = false;
  /** Nothing is said or read any more. */
  #closing = false;
  #lingering: NodeJS.Timeout | undefined;
  /** Of the monotonic clock, in milliseconds: until then the client has to say what is due. */
  #deadline: number;
  readonly #sessionEnd: number;
  #lastRead: number;

  constructor(listener: Owner, socket: net.Socket, peer: Ip) {
    const { settings } = listener.services;
    this.#listener = listener;
    this.#peer = peer;
    this.#socket = socket;
    this.#session = this.#newSession({ ip: peer, name: undefined });
    this.#lastRead = performance.now();
    this.#sessionEnd = this.#lastRead + settings.session_timeout;
    this.#deadline = this.#lastRead + settings.command_timeout;
  }

  #newSession(client: Client): SmtpSession {
    return new SmtpSession(this.#listener.services, client, () => this.#offered());
  }

  /** Extensions that hang on the connection. */
  #offered(): readonly string[] {
    return [
      ...(this.#offersTls ? ['STARTTLS'] : []),
      ...(this.#believesXclient ? [`XCLIENT ${xclientNames.join(' ')}`] : []),
    ];
  }

  get #offersTls(): boolean {
    return this.#listener.hasCertificate && !this.#session.secure;
  }

  get #believesXclient(): boolean {
    return !this.#named && this.#listener.isXclientPeer(this.#peer);
  }

  get busy(): boolean {
    return this.#session.busy || this.#answering;
  }

  /** Greets without delay; the client's name is looked up meanwhile. */
  open(): void {
    this.#socket.setNoDelay(true);
    this.#listen(this.#socket);
    this.#when(this.#greet(), (greeting) => this.#say(greeting));
    this.#flush();
  }

  #listen(socket: net.Socket): void {
    socket
      .on('data', this.#read)
      .on('end', this.#end)
      .on('drain', this.#drained)
      .on('close', this.#gone)
      .on('error', (error) => this.#listener.failed(error));
  }

  readonly #read = (octets: Buffer): void => {
    if (this.#closing) return;
    this.#lastRead = performance.now();
    this.#unread = this.#unread.length === 0 ? octets : Buffer.concat([this.#unread, octets]);
    this.#work();
    if (this.#unread.length > maxUnread) this.#socket.pause();
  };

  readonly #end = (): void => {
    this.#ended = true;
    this.#work();
  };

  readonly #drained = (): void => {
    this.#clogged = false;
    this.#work();
  };

  /** Deals with what has been read, as far as it goes without waiting. */
  #work(): void {
    let steps = 0;
    while (this.#mayGoOn && this.#unread.length > 0 && this.#step()) {
      if (++steps < maxSteps) continue;
      this.#yield();
      break;
    }
    this.#flush();
    if (this.#ended && this.#mayGoOn) this.#close(); // a line without its end is no command
    if (this.#unread.length <= maxUnread && this.#socket.isPaused()) this.#socket.resume();
  }

  get #mayGoOn(): boolean {
    return !(this.#answering || this.#clogged || this.#yielding || this.#closing || this.#handshake);
  }

  /** One command, or some text; false where it takes more octets. */
  #step(): boolean {
    if (this.#text) this.#takeText(this.#text);
    else {
      const line = this.#nextLine();
      if (line === undefined) return false;
      this.#answer(line);
    }
    return true;
  }

  /** A line ends in LF, and CRs before it belong to its end, as in Postfix. */
  #nextLine(): Buffer | undefined {
    const lf = this.#unread.indexOf(LF);
    let end = lf < 0 ? this.#unread.length : lf;
    while (end > 0 && this.#unread[end - 1] === CR) end--;
    if (end > maxCommandOctets) this.#say(reply(421, '5.5.2', 'Line too long'));
    if (lf < 0 || end > maxCommandOctets) return undefined;
    const line = this.#unread.subarray(0, end);
    this.#unread = this.#unread.subarray(lf + 1);
    return line;
  }

  #takeText(reader: DataReader): void {
    const { text, rest } = reader.push(this.#unread);
    this.#unread = rest ?? nothing;
    const taken = this.#session.receive(text);
    if (rest === undefined) return this.#when(taken, () => {});
    this.#text = undefined;
    return this.#when(
      after(taken, () => this.#endOfData(reader.sawBareNewline)),
      (answer) => this.#endMail(answer),
    );
  }

  /** The client may be gone by now: the mail is whole, and is dealt with all the same. */
  async #endOfData(sawBareNewline: boolean): Promise<Reply> {
    this.#listener.inFlight++;
    const answer = await this.#session.endOfData(sawBareNewline);
    this.#listener.inFlight--;
    return answer;
  }

  #endMail(answer: Reply): void {
    this.#say(answer);
    this.#expectCommand();
    if (this.#listener.stopping) this.#say(shuttingDown);
  }

  /** A flood of commands in one segment does not keep the others waiting. */
  #yield(): void {
    this.#yielding = true;
    setImmediate(() => {
      this.#yielding = false;
      this.#work();
    });
  }

  #answer(line: Buffer): void {
    this.#when(this.#answerTo(line), (answer) => this.#answered(answer));
  }

  #answerTo(line: Buffer): Eventual<Reply> {
    if (this.#listener.stopping && !this.#session.busy) return shuttingDown;
    try {
      return this.#dispatch(parseCommand(line));
    } catch (error) {
      return this.#broken(error);
    }
  }

  #dispatch(command: Command): Eventual<Reply> {
    switch (command.kind) {
      case 'starttls':
        return this.#startTls();
      case 'xclient':
        return this.#xclient(command.attributes);
      default:
        return this.#session.answer(command);
    }
  }

  #answered(answer: Reply): void {
    if (answer.code >= 500 && answer.code < 600) this.#errors++;
    this.#say(answer);
    if (this.#errors >= this.#listener.services.settings.max_errors) this.#say(reply(421, '4.7.0', 'Too many errors'));
    this.#expectCommand();
    if (this.#session.receiving) this.#expectText();
    if (this.#securing) this.#shakeHands();
  }

  /** Goes on with a value at once, or when it is there; until then nothing further is read. */
  #when<T>(value: Eventual<T>, next: (value: T) => void): void {
    if (!(value instanceof Promise)) return next(value);
    this.#answering = true;
    const goOn = (): void => {
      this.#answering = false;
      this.#work();
    };
    value.then(next, (error: unknown) => this.#say(this.#broken(error))).then(goOn, goOn);
    return undefined;
  }

  #broken(error: unknown): Reply {
    const problem = error instanceof Error ? error.stack : String(error);
    this.#listener.services.log.error({ session: this.#session.id, problem }, 'command failed');
    return reply(421, '4.3.0', 'Internal error, closing connection');
  }

  #greet(): Eventual<Reply> {
    const refused = after(this.#admit(), (full) => full ?? this.#session.connect());
    return after(refused, (refusal) => (refusal ? closing(refusal) : this.#greeting()));
  }

  #greeting(): Reply {
    return reply(220, '', `${this.#listener.services.settings.hostname} ESMTP postern`);
  }

  /** Counts the connection; a client that XCLIENT names counts as itself. */
  #admit(): Eventual<Reply | undefined> {
    const ip = this.#session.clientIp;
    this.#leave();
    const { limits } = this.#listener;
    return after(limits.admit(ip), (full) => (full ? this.#admitLater(ip) : this.#enter(ip)));
  }

  /** Asks once more: a client that hangs up and comes back at once may be heard in the other order. */
  async #admitLater(ip: Ip): Promise<Reply | undefined> {
    await new Promise((resolve) => setTimeout(resolve, secondTryMs));
    return (await this.#listener.limits.admit(ip)) ?? this.#enter(ip);
  }

  #enter(ip: Ip): undefined {
    this.#admitted = ip;
    if (this.#socket.destroyed) this.#leave();
  }

  #leave(): void {
    if (this.#admitted) this.#listener.limits.leave(this.#admitted);
    this.#admitted = undefined;
  }

  /** The session starts anew, with a new greeting (Postfix' XCLIENT_README). */
  #xclient(attributes: Parsed<XclientAttributes>): Eventual<Reply> {
    if (!this.#believesXclient) return reply(550, '5.7.0', 'XCLIENT is not for you');
    if (this.#session.busy) return reply(503, '5.5.1', 'Mail transaction in progress');
    if (!attributes.ok) return reply(501, '5.5.4', attributes.problem);
    const { ip, name, namesClient } = attributes.value;
    const { client } = this.#session;
    this.#named = namesClient;
    this.#session.closed();
    this.#session = this.#newSession({
      ip: ip ?? client.ip,
      name: name === undefined ? undefined : name === '' ? { kind: 'none' } : { kind: 'confirmed', name },
    });
    return this.#greet();
  }

  #startTls(): Reply {
    if (this.#session.secure) return reply(503, '5.5.1', 'TLS is active already');
    if (!this.#offersTls) return reply(502, '5.5.1', 'STARTTLS is not offered');
    this.#securing = true;
    return reply(220, '2.0.0', 'Ready to start TLS');
  }

  /** What the client said in the clear behind STARTTLS is dropped (RFC 3207 §6). */
  #shakeHands(): void {
    this.#securing = false;
    this.#flush();
    this.#unread = nothing;
    const clear = this.#socket;
    clear.off('data', this.#read).off('end', this.#end).off('drain', this.#drained).off('close', this.#gone);
    this.#handshake = this.#listener.startTls(clear, (secured) => {
      this.#handshake = undefined;
      if (secured) this.#secured(secured);
      else this.#gone();
    });
  }

  #secured(socket: TLSSocket): void {
    this.#socket = socket;
    this.#clogged = false;
    this.#session.secured(tlsFactsOf(socket));
    this.#expectCommand();
    this.#listen(socket);
  }

  /** The only place where replies are made octets. */
  #say(answer: Reply): void {
    if (this.#closing) return;
    this.#replies += wireText(answer);
    if (answer.close) this.#closing = true;
  }

  #flush(): void {
    if (this.#replies !== '') {
      const replies = this.#replies;
      this.#replies = '';
      this.#socket.write(replies, 'latin1');
      this.#clogged = this.#socket.writableNeedDrain;
    }
    if (this.#closing) this.#hangUp();
  }

  #close(): void {
    this.#closing = true;
    this.#hangUp();
  }

  /** Waits for the client to close its side, but not for long; what it still says is dropped. */
  #hangUp(): void {
    if (this.#lingering !== undefined || this.#socket.destroyed) return;
    this.#listener.connections.delete(this);
    this.#unread = nothing;
    this.#socket.end();
    this.#socket.resume();
    this.#lingering = setTimeout(() => this.#socket.destroy(), lingerMs);
    this.#lingering.unref();
  }

  #expectCommand(): void {
    this.#deadline = performance.now() + this.#listener.services.settings.command_timeout;
  }

  #expectText(): void {
    this.#text = new DataReader();
    this.#lastRead = performance.now();
    this.#deadline = this.#lastRead + this.#listener.services.settings.data_timeout;
  }

  /** Absolute limits, whatever trickles in; while the client waits for us, none. `now` is of the monotonic clock. */
  expire(now: number): void {
    if (this.#answering || this.#closing) return;
    const idleEnd = this.#text ? this.#lastRead + this.#listener.idleMs : Infinity;
    if (now <= Math.min(this.#deadline, this.#sessionEnd, idleEnd)) return;
    if (this.#handshake) this.#handshake();
    else this.#farewell(reply(421, '4.4.2', 'Timeout, closing connection'));
  }

  /** Shutting down: whoever is not in a transaction goes now. */
  dismiss(): void {
    if (!this.busy && !this.#handshake) this.#farewell(shuttingDown);
  }

  #farewell(answer: Reply): void {
    this.#say(answer);
    this.#flush();
  }

  destroy(): void {
    if (this.#handshake) this.#handshake();
    else this.#socket.destroy();
  }

  readonly #gone = (): void => {
    this.#closing = true;
    clearTimeout(this.#lingering);
    this.#listener.connections.delete(this);
    this.#leave();
    this.#session.closed();
  };
}

const shuttingDown = reply(421, '4.3.2', 'Shutting down');

const secondTryMs = 100;

/** How long a connection that we have closed waits for its client to do so. */
const lingerMs = 5_000;

/** RFC 5321 §4.5.3.1.4 asks for 512, RFC 6531 and its long addresses for more; Postfix takes 2048. */
const maxCommandOctets = 4096;

/** Octets that a client may send ahead of our answer. */
const maxUnread = 1 << 16;

/** Commands that are answered before others have their turn. */
const maxSteps = 100;
