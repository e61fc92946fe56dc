/**
 * npm smtp-server's connection (3.21.6) ↔ a session: the library keeps the socket, TLS, the command stream, PROXY and XCLIENT;
 * what is said and decided is the session's. Overridden, and why:
 *
 *     init            the library waits 100 ms and asks DNS before it greets
 *     _onCommand      its counters and limits are per process, its HELO has no hook
 *     _parseAddress…  not called: it decodes domains after validating them; the raw command goes to the session
 *     handler_DATA    not called: see command-stream.ts
 */
import type net from 'node:net';
import type { SMTPServer } from 'smtp-server';
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import { type Ip, noAddress, parseIp } from '../mail/ip.js';
import { type Reply, closing, reply } from '../mail/reply.js';
import { asciiText } from '../mail/text.js';
import { CommandStream } from './command-stream.js';
import { IncomingMessage } from './incoming.js';
import type { ConnectionLimits } from './limits.js';
import type { Services } from './services.js';
import { type Client, SmtpSession } from './session.js';

type Next = () => void;

/** What a connection sees of the listener it came by (server.ts). */
export interface Owner extends SMTPServer {
  readonly services: Services;
  readonly limits: ConnectionLimits;
  readonly hasCertificate: boolean;
  readonly stopping: boolean;
  /** Mails read to their end and not answered yet. */
  inFlight: number;
  isXclientPeer(ip: Ip | undefined): boolean;
}

export class Connection extends SMTPConnection {
  readonly #listener: Owner;
  #session: SmtpSession;
  #opened: Promise<void> = Promise.resolve();
  #admitted: Ip | undefined;
  #errors = 0;
  #receiving: IncomingMessage | undefined;
  /** Milliseconds since the epoch: until then the client has to say what is due. */
  #deadline: number;
  readonly #sessionEnd: number;

  constructor(listener: Owner, socket: net.Socket, options: SMTPConnectionOptions | undefined) {
    super(listener, socket, options ?? null);
    const { settings } = listener.services;
    this.#listener = listener;
    this.#session = new SmtpSession(listener.services, this.#client());
    this.#sessionEnd = Date.now() + settings.session_timeout;
    this.#deadline = Date.now() + settings.command_timeout;
  }

  get busy(): boolean {
    return this.#session.busy || this._handlerPending;
  }

  #client(): Client {
    const name = this._xClient.get('NAME');
    const told = this._xClient.has('NAME');
    const known =
      typeof name === 'string' && name !== ''
        ? ({ kind: 'confirmed', name: name.toLowerCase() } as const)
        : ({ kind: 'none' } as const);
    return { ip: parseIp(this.remoteAddress) ?? noAddress, name: told ? known : undefined };
  }

  /** Greets without delay; the client's name is looked up meanwhile. */
  override init(): void {
    this._resetSession();
    this._setListeners(() => {
      this.#opened = this.#open();
    });
  }

  async #open(): Promise<void> {
    this._handlerPending = true;
    const refusal = (await this.#admit()) ?? (await this.#session.connect());
    this._handlerPending = false;
    this._ready = true;
    if (refusal) this.#say(closing(refusal));
    else this._sendGreeting();
    this.#expectCommand();
  }

  /** Counts the connection; a client that XCLIENT names counts as itself. */
  async #admit(): Promise<Reply | undefined> {
    const ip = this.#session.clientIp;
    const { limits } = this.#listener;
    if (this.#admitted) limits.leave(this.#admitted);
    this.#admitted = undefined;
    const full = (await limits.admit(ip)) && (await this.#admitLater(ip));
    if (full) return full;
    if (this._closed) limits.leave(ip);
    else this.#admitted = ip;
    return undefined;
  }

  /** Asks once more: a client that hangs up and comes back at once may be heard in the other order. */
  async #admitLater(ip: Ip): Promise<Reply | undefined> {
    await new Promise((resolve) => setTimeout(resolve, secondTryMs));
    return this.#listener.limits.admit(ip);
  }

  override _createParser(): CommandStream {
    const parser = new CommandStream({ maxCommandLength: maxCommandOctets });
    parser.oncommand = (command, callback) => this._onCommand(command, callback);
    parser.on('finish', () => this.close()); // the client has closed its side, and has its answers
    parser.on('error', () => this.#say(reply(421, '5.5.2', 'Line too long')));
    return parser;
  }

  override _onCommand(command: Buffer, callback: Next = () => {}): void {
    const next = (): void => this._whenWritable(callback);
    if (this._upgrading) return next(); // plaintext behind STARTTLS: dropped
    void this.#opened
      .then(() => this.#command(command))
      .then(
        (answer) => {
          if (answer) this.#answer(answer);
          if (!this._closing) next();
          else callback();
        },
        (error: unknown) => {
          this.#listener.services.log.error({ session: this.#session.id, problem: String(error) }, 'command failed');
          this.#say(reply(421, '4.3.0', 'Internal error, closing connection'));
          callback();
        },
      );
    return undefined;
  }

  async #command(command: Buffer): Promise<Reply | undefined> {
    if (this._closing || this._closed) return undefined;
    const line = command.toString('latin1');
    const [, verb = '', argument = ''] = /^(\S*)[ \t]*(.*)$/s.exec(line) ?? [];
    if (this.#listener.stopping && !this.#session.busy) return reply(421, '4.3.2', 'Shutting down');
    this._handlerPending = true;
    try {
      return await this.#dispatch(verb.toUpperCase(), argument.trim(), command);
    } finally {
      this._handlerPending = false;
    }
  }

  #dispatch(verb: string, argument: string, command: Buffer): Promise<Reply | undefined> | Reply | undefined {
    switch (verb) {
      case 'EHLO':
      case 'HELO':
        return this.#helo(argument, verb === 'EHLO');
      case 'MAIL':
        return this.#withPath(command, /^MAIL[ \t]+FROM:[ \t]*/i, (path) => this.#session.mail(path));
      case 'RCPT':
        return this.#withPath(command, /^RCPT[ \t]+TO:[ \t]*/i, (path) => this.#session.rcpt(path));
      case 'DATA':
        return argument === '' ? this.#data() : reply(501, '5.5.4', 'DATA takes no argument');
      case 'RSET':
        this.#session.reset();
        return reply(250, '2.0.0', 'Ok');
      case 'NOOP':
        return reply(250, '2.0.0', 'Ok');
      case 'QUIT':
        return closing(reply(221, '2.0.0', 'Bye'));
      case 'VRFY':
        return reply(252, '2.5.0', 'Send some mail, it will be seen');
      case 'HELP':
        return reply(214, '2.0.0', 'See RFC 5321');
      case 'STARTTLS':
        return this.#startTls(argument);
      case 'XCLIENT':
        return this.#xclient(command);
      default:
        return this.#session.unknown(command.toString('latin1'));
    }
  }

  async #helo(name: string, extended: boolean): Promise<Reply | undefined> {
    if (!heloName.test(name)) return reply(501, '5.5.4', 'HELO takes one name of printable ASCII');
    const stopped = await this.#session.helo(name, extended);
    if (stopped) return stopped;
    this.openingCommand = extended ? 'EHLO' : 'HELO';
    this.hostNameAppearsAs = name;
    this.send(250, extended ? [this.name, ...this.#extensions()] : this.name, false);
    return undefined;
  }

  #extensions(): string[] {
    const extensions = [
      'PIPELINING',
      `SIZE ${this.#listener.services.settings.max_size}`,
      '8BITMIME',
      'SMTPUTF8',
      'ENHANCEDSTATUSCODES',
    ];
    if (this.#tlsOffered()) extensions.push('STARTTLS');
    if (this._proxyCommandAllowed('XCLIENT')) extensions.push('XCLIENT NAME ADDR PORT PROTO HELO LOGIN');
    return extensions;
  }

  #tlsOffered(): boolean {
    return this.#listener.hasCertificate && !this.secure;
  }

  /** The library's list of trusted peers holds addresses only, ours holds networks. A client is named once. */
  override _proxyCommandAllowed(command: string): boolean {
    return (
      command === 'XCLIENT' &&
      !this._xClient.has('ADDR') &&
      this.#listener.isXclientPeer(parseIp(this._originalRemoteAddress))
    );
  }

  #withPath(command: Buffer, prefix: RegExp, handle: (path: Buffer) => Promise<Reply>): Promise<Reply> | Reply {
    if (!this.#session.greeted) return reply(503, '5.5.1', 'Send HELO/EHLO first');
    const matched = prefix.exec(command.toString('latin1'));
    if (!matched) return reply(501, '5.5.4', 'Syntax: MAIL FROM:<address> or RCPT TO:<address>');
    return handle(trimmed(command.subarray(matched[0].length)));
  }

  #data(): Reply | undefined {
    if (!this.#session.greeted) return reply(503, '5.5.1', 'Send HELO/EHLO first');
    const message = this.#session.data();
    if (!(message instanceof IncomingMessage)) return message;
    if (!(this._parser instanceof CommandStream)) return undefined;
    this.#receiving = message;
    this._parser.readData({ write: (chunk) => message.write(chunk), end: (bare) => this.#endOfData(message, bare) });
    this.#say(reply(354, '', 'End data with <CR><LF>.<CR><LF>'));
    this.#deadline = Date.now() + this.#listener.services.settings.data_timeout;
    return undefined;
  }

  /** The client may be gone by now: the mail is whole, and is dealt with all the same. */
  async #endOfData(message: IncomingMessage, sawBareNewline: boolean): Promise<void> {
    this.#receiving = undefined;
    this._handlerPending = true;
    this.#listener.inFlight++;
    const answer = await this.#session.finish(message, sawBareNewline);
    this.#listener.inFlight--;
    this._handlerPending = false;
    this.#say(answer);
    this.#expectCommand();
    if (this.#listener.stopping) this.#say(reply(421, '4.3.2', 'Shutting down'));
    await new Promise<void>((resume) => this._whenWritable(resume));
  }

  #startTls(argument: string): Reply | undefined {
    if (argument !== '') return reply(501, '5.5.4', 'STARTTLS takes no argument');
    if (!this.#tlsOffered())
      return this.secure
        ? reply(503, '5.5.1', 'TLS is active already')
        : reply(502, '5.5.1', 'STARTTLS is not offered');
    this.#say(reply(220, '2.0.0', 'Ready to start TLS'));
    this.upgrade(() => {});
    return undefined;
  }

  /** Called with the TLS socket when the handshake begins. `allowHalfOpen` (server.ts) would keep one whose client has gone. */
  override _armTimeout(socket: net.Socket = this._socket): void {
    super._armTimeout(socket);
    if (this._upgrading) socket.once('end', () => this._upgrading && socket.destroy());
  }

  /** Called by the server once the handshake is done. */
  secured(): void {
    this.#session.secured();
    this.#expectCommand();
  }

  async #xclient(command: Buffer): Promise<Reply | undefined> {
    if (!this._proxyCommandAllowed('XCLIENT')) return reply(550, '5.7.0', 'XCLIENT is not for you');
    if (this.#session.busy) return reply(503, '5.5.1', 'Mail transaction in progress');
    // The library parses and checks the attributes, sets remoteAddress and, when all is well, calls _sendGreeting().
    const greeted = new Promise<boolean>((settle) => {
      this.#greet = () => settle(true);
      this.handler_XCLIENT(command, () => settle(false));
    });
    const changed = await greeted;
    this.#greet = undefined;
    if (!changed) return undefined;
    this.#session.closed();
    this.#session = new SmtpSession(this.#listener.services, this.#client());
    if (this.hostNameAppearsAs) await this.#session.helo(this.hostNameAppearsAs, this._xClient.get('PROTO') !== 'SMTP');
    await this.#open();
    return undefined;
  }

  #greet: (() => void) | undefined;

  override _sendGreeting(): void {
    if (this.#greet) this.#greet();
    else this.send(220, `${this.name} ESMTP postern`, false);
  }

  #answer(answer: Reply): void {
    if (answer.code >= 500 && answer.code < 600) this.#errors++;
    this.#say(answer);
    if (this.#errors >= this.#listener.services.settings.max_errors) this.#say(reply(421, '4.7.0', 'Too many errors'));
    this.#expectCommand();
  }

  /** The only place where replies are written. */
  #say(answer: Reply): void {
    // Third parties' plugins make replies of their own: once more, whatever they hold, one line of printable ASCII.
    this.send(answer.code, asciiText([answer.enhanced, answer.text].filter((part) => part !== '').join(' ')), false);
    if (answer.close) this.close();
  }

  /** The library says nothing more to a client that has closed its own side, but that one still listens. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    if (this._socket.readyState !== 'writeOnly') return super.send(code, data, context);
    const lines = [data ?? ''].flat();
    this._socket.write(lines.map((line, i) => `${code}${i < lines.length - 1 ? '-' : ' '}${line}\r\n`).join(''));
    if (code === 421) this.close();
    return undefined;
  }

  #expectCommand(): void {
    this.#deadline = Date.now() + this.#listener.services.settings.command_timeout;
  }

  /** Absolute limits, whatever trickles in: the library's own timer starts anew with each octet. */
  expire(now: number): void {
    if (this._handlerPending || this._closing || this._closed) return;
    if (now > Math.min(this.#deadline, this.#sessionEnd)) this.#say(reply(421, '4.4.2', 'Timeout, closing connection'));
  }

  /** Shutting down: whoever is not in a transaction goes now. */
  dismiss(): void {
    if (!this.busy && !this._closing) this.#say(reply(421, '4.3.2', 'Shutting down'));
  }

  override _onClose(): void {
    if (this._closed) return;
    super._onClose();
    void this.#receiving?.discard();
    this.#receiving = undefined;
    if (this.#admitted) this.#listener.limits.leave(this.#admitted);
    this.#admitted = undefined;
    this.#session.closed();
  }
}

const secondTryMs = 100;

/** RFC 5321 §4.5.3.1.4 asks for 512, RFC 6531 and its long addresses for more; Postfix takes 2048. */
const maxCommandOctets = 4096;

const heloName = /^[\x21-\x7e]{1,255}$/;

function trimmed(octets: Buffer): Buffer {
  let end = octets.length;
  while (end > 0 && (octets[end - 1] === 0x20 || octets[end - 1] === 0x09)) end--;
  return octets.subarray(0, end);
}
