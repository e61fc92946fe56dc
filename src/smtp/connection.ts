/**
 * One client's connection: the loop that makes commands and text of its octets, has them answered, counts, and closes.
 * What can be answered at once is answered without a promise. What is said and decided is the session's; whom a client
 * may be taken for, and whether it may stay, is decided here.
 */
import type net from 'node:net';
import { performance } from 'node:perf_hooks';
import type { TLSSocket } from 'node:tls';
import type { Result } from '../mail/result.js';
import { type Eventual, after } from '../mail/eventual.js';
import type { LocalAddress, TlsSeen } from '../hooks/plugin.js';
import { type Ip, parseIp } from '../mail/ip.js';
import { type Reply, closing, reply, wireText } from '../mail/reply.js';
import type { AwayReason } from '../metrics/gate.js';
import { ClientSocket, type SocketUser, tooLong } from './client-socket.js';
import { type Command, parseCommand } from './command/command.js';
import { DataReader } from './message/data-reader.js';
import { Admission, type ConnectionLimits } from './limits.js';
import type { Services } from './services.js';
import { SmtpSession } from './session/session.js';
import type { Client } from './session/session-state.js';
import { tlsFactsOf } from './tls-facts.js';
import { type XclientAttributes, xclientNames } from './command/xclient.js';
import { errorStack } from '../mail/error-text.js';
import { dealtWith } from '../turn-end.js';

/** What a connection sees of the listener it came by (server.ts). */
export interface Owner {
  readonly services: Services;
  readonly limits: ConnectionLimits;
  /** How long a client may pause in the middle of its message. */
  readonly idleMs: number;
  readonly hasCertificate: boolean;
  readonly stopping: boolean;
  /** Mails read to their end and not answered yet. */
  inFlight: number;
  isXclientPeer(ip: Ip): boolean;
  /** Makes the handshake; returns what ends it early. */
  startTls(socket: net.Socket, done: (secured: TLSSocket | undefined) => void): () => void;
  failed(error: Error): void;
  /** The connection is closed; may be said twice. */
  left(connection: Connection): void;
}

export class Connection implements SocketUser {
  readonly #listener: Owner;
  /** The connecting host, or whom its PROXY header names. */
  readonly #peer: Ip;
  readonly #socket: ClientSocket;
  readonly #admission: Admission;
  #session: SmtpSession;
  /** Has XCLIENT said who the client is? It is said once. */
  #named = false;
  /** It reads the octets while they are a message's. */
  #text: DataReader | undefined;
  #errors = 0;
  /** The client waits for us: nothing further is read until the answer is there. */
  #answering = false;
  #tls: TlsSeen | undefined;
  /** Commands may come before the reply to the one before them: the last EHLO was told so. */
  #pipelining = false;
  /** Ends the time by which a plugin has the reply held back; another reply may take its place. */
  #endHold: ((instead?: Reply) => void) | undefined;
  /** What ends the handshake that is under way. */
  #handshake: (() => void) | undefined;
  /** Until then the client has to say what is due: a time of the monotonic clock, in milliseconds. */
  #deadline: number;
  readonly #sessionEnd: number;

  constructor(listener: Owner, socket: net.Socket, peer: Ip) {
    const { settings } = listener.services;
    this.#listener = listener;
    this.#peer = peer;
    this.#socket = new ClientSocket(socket, this);
    this.#admission = new Admission(listener.limits);
    this.#session = this.#newSession({ ip: peer, name: undefined, local: () => localAddressOf(socket) });
    this.#sessionEnd = performance.now() + settings.session_timeout;
    this.#deadline = performance.now() + settings.command_timeout;
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

  /** A transaction is under way. */
  get inTransaction(): boolean {
    return this.#session.busy;
  }

  get busy(): boolean {
    return this.#session.busy || this.#answering;
  }

  get ready(): boolean {
    return !this.#answering && !this.#handshake;
  }

  /** Greets at once, unless a plugin has the greeting held back; the client's name is looked up meanwhile. */
  open(): void {
    this.#when(this.#greet(), (greeting) => this.#inTime(greeting, this.#greeted));
  }

  readonly #greeted = (greeting: Reply): void => {
    if (this.#socket.hasUnread) this.#session.saidEarly('greeting');
    this.#say(greeting);
    this.#expectCommand();
  };

  readonly #answerInTime = (answer: Reply): void => this.#inTime(answer, this.#answered);

  #inTime(answer: Reply, next: (answer: Reply) => void): void {
    const ms = this.#session.takeDelay();
    if (ms === 0) next(answer);
    else this.#when(this.#held(answer, ms), next);
  }

  /** The client waits for nothing but the clock: no plugin, no limit of time. */
  #held(answer: Reply, ms: number): Promise<Reply> {
    this.#socket.hold(true);
    return new Promise((resolve) => {
      const end = (instead = answer): void => {
        clearTimeout(timer);
        this.#endHold = undefined;
        this.#socket.hold(false);
        resolve(instead);
      };
      const timer = setTimeout(end, ms, answer);
      this.#endHold = end;
    });
  }

  #greet(): Eventual<Reply> {
    const refused = after(this.#admission.enter(this.#session.client.ip), (full) => {
      if (full) this.#session.sentAway(full, 'connections');
      return full ?? this.#session.connect();
    });
    return after(refused, (refusal) => (refusal ? closing(refusal) : this.#greeting()));
  }

  #greeting(): Reply {
    return reply(220, '', `${this.#listener.services.settings.hostname} ESMTP postern`);
  }

  replies(): void {
    this.#session.replies();
  }

  heard(): void {
    this.#session.heard();
  }

  /** One command, or some text. */
  step(): boolean {
    if (this.#text) {
      this.#takeText(this.#text);
      return true;
    }
    const line = this.#socket.nextLine(maxCommandOctets);
    if (line === tooLong) this.#sendAway(reply(421, '5.5.2', 'Line too long'), 'line');
    else if (line !== undefined) this.#when(this.#answerTo(line), this.#answerInTime);
    return line !== undefined;
  }

  #takeText(reader: DataReader): void {
    const { text, rest } = reader.push(this.#socket.take());
    const taken = this.#session.receive(text);
    if (rest === undefined) return this.#when(taken, () => {});
    this.#text = undefined;
    this.#socket.putBack(rest);
    const answered = after(taken, () => this.#endOfData(reader));
    return this.#when(answered, (answer) => this.#endMail(answer));
  }

  /** The client may be gone by now: the mail is whole, and is dealt with all the same. */
  #endOfData(reader: DataReader): Eventual<Reply> {
    this.#listener.inFlight++;
    return this.#session.endOfData(reader);
  }

  #endMail(answer: Reply): void {
    this.#listener.inFlight--;
    this.#lookForEarlyTalk();
    this.#say(answer);
    this.#expectCommand();
    if (this.#listener.stopping) this.#say(shuttingDown);
  }

  #answerTo(line: string): Eventual<Reply> {
    if (this.#listener.stopping && !this.#session.busy) return this.#toldOf(shuttingDown, 'stopping');
    try {
      return this.#dispatch(parseCommand(line, this.#listener.services.settings.strict_envelope));
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

  readonly #answered = (answer: Reply): void => {
    this.#lookForEarlyTalk();
    this.#pipelining = this.#session.pipelining;
    if (answer.code >= 500 && answer.code < 600) this.#errors++;
    this.#say(answer);
    if (this.#errors >= this.#listener.services.settings.max_errors)
      this.#sendAway(reply(421, '4.7.0', 'Too many errors'), 'errors');
    this.#expectCommand();
    if (this.#session.receiving) this.#expectText();
    if (answer === readyForTls) this.#shakeHands();
  };

  /** What is unread when a reply is said was not an answer to it. */
  #lookForEarlyTalk(): void {
    if (!this.#socket.hasUnread) return;
    if (this.#session.receiving) this.#session.saidEarly('message');
    else if (!this.#pipelining) this.#session.saidEarly('pipelining');
  }

  /** Goes on with a value at once, or when it is there; until then nothing further is read. */
  #when<T>(value: Eventual<T>, next: (value: T) => void): void {
    if (!(value instanceof Promise)) return next(value);
    this.#answering = true;
    const goOn = (act: () => void): void => {
      this.#answering = false; // unless there is more to wait for
      try {
        act();
      } finally {
        this.#socket.work();
      }
      dealtWith();
    };
    value.then(
      (there) => goOn(() => next(there)),
      (error: unknown) => goOn(() => this.#say(this.#broken(error))),
    );
    return undefined;
  }

  #broken(error: unknown): Reply {
    this.#listener.services.log.error({ session: this.#session.id, problem: errorStack(error) }, 'command failed');
    return this.#toldOf(reply(421, '4.3.0', 'Internal error, closing connection'), 'fault');
  }

  #sendAway(answer: Reply, reason: AwayReason): void {
    this.#say(this.#toldOf(answer, reason));
  }

  /** The journal is told that the session ends by this reply. */
  #toldOf(answer: Reply, reason: AwayReason): Reply {
    this.#session.sentAway(answer, reason);
    return answer;
  }

  /** The only place where a reply is made octets. */
  #say(answer: Reply): void {
    this.#socket.say(wireText(answer));
    if (answer.close) this.#close();
  }

  #close(): void {
    this.#listener.left(this);
    this.#socket.close();
  }

  /** The session starts anew, with a new greeting (Postfix' XCLIENT_README). */
  #xclient(attributes: Result<XclientAttributes>): Eventual<Reply> {
    if (!this.#believesXclient) return reply(550, '5.7.0', 'XCLIENT is not for you');
    if (this.#session.busy) return reply(503, '5.5.1', 'Mail transaction in progress');
    if (!attributes.ok) return reply(501, '5.5.4', attributes.problem);
    const { ip, name, namesClient } = attributes.value;
    const { client } = this.#session;
    this.#named = namesClient;
    this.#pipelining = false;
    this.#session.closed();
    this.#session = this.#newSession({
      ip: ip ?? client.ip,
      name: name === undefined ? undefined : name === '' ? { kind: 'none' } : { kind: 'confirmed', name },
      ...(client.local && { local: client.local }),
    });
    if (this.#tls) this.#session.secured(this.#tls);
    return this.#greet();
  }

  #startTls(): Reply {
    if (this.#session.secure) return reply(503, '5.5.1', 'TLS is active already');
    return this.#offersTls ? readyForTls : reply(502, '5.5.1', 'STARTTLS is not offered');
  }

  #shakeHands(): void {
    this.#handshake = this.#listener.startTls(this.#socket.letGo(), (secured) => {
      this.#handshake = undefined;
      this.#pipelining = false;
      this.#tls = secured && tlsFactsOf(secured);
      if (this.#tls) this.#session.secured(this.#tls);
      this.#expectCommand();
      this.#socket.resume(secured);
    });
  }

  #expectCommand(): void {
    this.#deadline = performance.now() + this.#listener.services.settings.command_timeout;
  }

  #expectText(): void {
    this.#text = new DataReader();
    this.#deadline = performance.now() + this.#listener.services.settings.data_timeout;
  }

  /** Absolute limits, whatever trickles in; while the client waits for us, none. `now` is of the monotonic clock. */
  expire(now: number): void {
    if (this.#answering || this.#socket.closing) return;
    const idleEnd = this.#text ? this.#socket.lastRead + this.#listener.idleMs : Infinity;
    if (now <= Math.min(this.#deadline, this.#sessionEnd, idleEnd)) return;
    if (this.#handshake) this.#handshake();
    else if (this.#session.lingers) this.#say(timeout);
    else this.#sendAway(timeout, 'idle');
  }

  /** Shutting down: whoever is not in a transaction goes now. */
  dismiss(): void {
    if (this.#endHold) this.#endHold(this.#session.busy ? undefined : shuttingDown);
    else if (!this.busy && !this.#handshake) this.#say(shuttingDown);
  }

  destroy(): void {
    if (this.#handshake) this.#handshake();
    else this.#socket.destroy();
  }

  failed(error: Error): void {
    this.#listener.failed(error);
  }

  /** Nobody is held back by a reply that comes late. */
  ended(): void {
    this.#endHold?.();
  }

  gone(): void {
    this.#endHold?.();
    this.#listener.left(this);
    this.#admission.leave();
    this.#listener.services.metrics.disconnected(this.#tls?.protocol);
    this.#session.closed();
  }
}

function localAddressOf(socket: net.Socket): LocalAddress | undefined {
  const ip = parseIp(socket.localAddress ?? '');
  return ip && { ip, port: socket.localPort ?? 0 };
}

const timeout = reply(421, '4.4.2', 'Timeout, closing connection');
const shuttingDown = reply(421, '4.3.2', 'Shutting down');
const readyForTls = reply(220, '2.0.0', 'Ready to start TLS');

/** RFC 5321 §4.5.3.1.4 asks for 512, RFC 6531 and its long addresses for more; Postfix takes 2048. */
const maxCommandOctets = 4096;
