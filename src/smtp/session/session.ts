/**
 * One SMTP session: commands in, replies out, and the message between two of them. Which command is legal when is
 * decided here. Calls come one at a time, each after the reply to the last. Leaves sockets to connection.ts, whom RCPT
 * may name to recipients/rcpt, what plugins say to session-plugins, the whole mail to disposing/.
 */
import { performance } from 'node:perf_hooks';
import type { ClientName, EarlyTalk, TlsSeen } from '../../hooks/plugin.js';
import type { SessionState } from '../../hooks/shown/seen.js';
import type { PathArgument } from '../../mail/address.js';
import { errorStack } from '../../mail/error-text.js';
import { type Eventual, after } from '../../mail/eventual.js';
import { inAny } from '../../mail/ip.js';
import { type Reply, closing, constant, localProblem, reply, withLines } from '../../mail/reply.js';
import type { Result } from '../../mail/result.js';
import type { AwayReason } from '../../metrics/gate.js';
import { behindTurnEnd } from '../../turn-end.js';
import type { Command } from '../command/command.js';
import { senderOf } from '../command/envelope.js';
import { type Disposed, dispose } from '../disposing/dispose.js';
import { type ClientFields, clientFields } from '../disposing/trace-fields.js';
import type { DataReader } from '../message/data-reader.js';
import { IncomingMessage } from '../message/incoming.js';
import { Rcpt } from '../recipients/rcpt.js';
import type { Services } from '../services.js';
import { newId } from '../transaction-id.js';
import { type Sender, SmtpTransaction } from '../transaction.js';
import { SessionPlugins } from './session-plugins.js';
import { SessionRecord } from './session-record.js';
import { type Client, sessionState } from './session-state.js';

export class SmtpSession {
  readonly client: Client;
  readonly #services: Services;
  readonly #offered: () => readonly string[];
  readonly #relaying: boolean;
  readonly #state: SessionState;
  readonly #record: SessionRecord;
  readonly #plugins: SessionPlugins;
  readonly #recipients: Rcpt;
  #extended = false;
  /** They hold until the next HELO; made when the first mail needs them. */
  #fields: ClientFields | undefined;
  #transaction: SmtpTransaction | undefined;
  /** The message that is being received: 354 has been said, its end has not come. */
  #message: IncomingMessage | undefined;
  /** The message is whole, and is judged, relayed or archived, whether its client is there or not. */
  #isDisposing = false;
  #isGone = false;
  #offersDsn = false;
  /** In this transaction, whatever the reply was. */
  #hasAskedRcpt = false;
  #answeredMails = 0;
  /** It says in log and journal what became of the last mail; undefined where that is said. */
  #tell: (() => void) | undefined;

  /** `offered` are the extensions that hang on the connection. */
  constructor(services: Services, client: Client, offered: () => readonly string[] = () => []) {
    this.client = client;
    this.#services = services;
    this.#offered = offered;
    const relaying = inAny(services.settings.relay_networks, client.ip);
    const state = sessionState(client, services);
    const record = new SessionRecord(services, state);
    const plugins = new SessionPlugins(services, state, record);
    this.#relaying = relaying;
    this.#state = state;
    this.#record = record;
    this.#plugins = plugins;
    this.#recipients = new Rcpt({ services, plugins, record, relaying });
  }

  get id(): string {
    return this.#state.id;
  }

  get secure(): boolean {
    return this.#state.tls !== undefined;
  }

  /** A transaction is under way: what is said now must be allowed to finish. */
  get busy(): boolean {
    return this.#transaction !== undefined;
  }

  /** Nothing is under way, and a mail was answered before: who lingers now has got what it came for. */
  get lingers(): boolean {
    return this.#answeredMails > 0 && this.#transaction === undefined;
  }

  /** EHLO has offered pipelining (RFC 2920), and nothing has taken that back. */
  get pipelining(): boolean {
    return this.#extended && this.#state.helo !== '';
  }

  /** How much later the reply that is due is to be heard, in milliseconds: a plugin wants it. */
  takeDelay(): number {
    return this.#plugins.takeDelay();
  }

  /** The first thing that was said too early counts. */
  saidEarly(what: EarlyTalk): void {
    this.#state.early ??= what;
  }

  /** Are the next octets text of the message? */
  get receiving(): boolean {
    return this.#message !== undefined;
  }

  /** What the client sees answered may lead to a marker, which counts from what is heard next. */
  replies(): void {
    this.#services.srv.turn.replies();
  }

  heard(): void {
    this.#services.srv.turn.heard();
  }

  /** Before the greeting; the reply that takes its place where there is one. */
  connect(): Eventual<Reply | undefined> {
    return this.#relaying ? undefined : this.#plugins.atSession('connect');
  }

  /** RFC 3207 §4.2: what was said before the handshake is forgotten. */
  secured(tls: TlsSeen): void {
    this.#tellLast();
    this.#fields = undefined;
    this.#endTransaction();
    this.#state.tls = tls;
    this.#state.helo = '';
  }

  answer(command: SessionCommand): Eventual<Reply> {
    this.#tellLast();
    switch (command.kind) {
      case 'helo':
        return this.#greet(command.name, command.extended);
      case 'mail':
        return this.#mail(command.argument);
      case 'rcpt':
        return this.#rcpt(command.argument);
      case 'data':
        return this.#data();
      case 'rset':
        this.#endTransaction();
        return ok;
      case 'noop':
        return ok;
      case 'quit':
        return bye;
      case 'vrfy':
        return vrfy;
      case 'help':
        return help;
      case 'malformed':
        return this.#malformed(command);
      case 'unknown':
        return this.#unknown(command.line);
    }
  }

  /** RFC 5321 §4.1.4: it ends a transaction, also where a plugin refuses it. */
  #greet(name: string, extended: boolean): Eventual<Reply> {
    this.#endTransaction();
    this.#state.helo = name;
    this.#extended = extended;
    this.#fields = undefined;
    return after(this.#relaying ? undefined : this.#plugins.atSession('helo'), (stopped) => {
      if (stopped) this.#state.helo = '';
      return stopped ?? this.#welcome();
    });
  }

  #welcome(): Reply {
    const { hostname, max_size } = this.#services.settings;
    this.#offersDsn = this.#extended && this.#services.dsn.isOffered;
    const welcome = reply(250, '', hostname);
    if (!this.#extended) return welcome;
    const always = ['PIPELINING', `SIZE ${max_size}`, '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES'];
    return withLines(welcome, [...always, ...(this.#offersDsn ? ['DSN'] : []), ...this.#offered()]);
  }

  #mail(argument: Result<PathArgument>): Eventual<Reply> {
    if (this.#state.helo === '') return this.#record.declined('mail', heloFirst);
    if (this.#transaction) return this.#record.declined('mail', reply(503, '5.5.1', 'Nested MAIL command'));
    const sender = senderOf(argument, this.#services.settings.max_size, this.#offersDsn);
    if (sender.ok) return this.#begin(sender.value);
    const { answer, from } = sender.problem;
    return this.#record.declined('mail', answer, { from });
  }

  #malformed({ problem, verb }: Extract<Command, { readonly kind: 'malformed' }>): Reply {
    const answer = reply(501, '5.5.4', problem);
    return verb === undefined ? answer : this.#record.declined(verb, answer, { transaction: this.#transaction });
  }

  #begin(sender: Sender): Eventual<Reply> {
    const transaction = new SmtpTransaction(newId(), sender, performance.now());
    return after(this.#relaying ? undefined : this.#plugins.atMail(transaction), (stopped) => {
      if (stopped) {
        this.#plugins.reset(transaction);
        return stopped;
      }
      this.#transaction = transaction;
      this.#hasAskedRcpt = false;
      return senderOk;
    });
  }

  #rcpt(argument: Result<PathArgument>): Eventual<Reply> {
    if (!this.#transaction) return this.#tooEarly();
    this.#hasAskedRcpt = true;
    return this.#recipients.answer(this.#transaction, argument, this.#offersDsn);
  }

  /** There is no transaction yet. */
  #tooEarly(): Reply {
    return this.#state.helo === '' ? heloFirst : mailFirst;
  }

  #data(): Eventual<Reply> {
    const transaction = this.#transaction;
    if (!transaction) return this.#tooEarly();
    if (transaction.recipients.length === 0) return this.#hasAskedRcpt ? noRecipients : rcptFirst;
    // The domainless postmaster is never refused (RFC 5321 §4.5.1).
    const isJudged = !this.#relaying && transaction.domain !== '';
    return after(
      isJudged ? this.#plugins.atData(transaction) : undefined,
      (stopped) => stopped ?? this.#take(transaction),
    );
  }

  #take(transaction: SmtpTransaction): Reply {
    this.#message = new IncomingMessage(transaction.id, this.#services.incoming);
    return goAhead;
  }

  /** The message's next octets; a promise where the client has to wait for the disk. Never throws. */
  receive(text: Buffer): Eventual<void> {
    return this.#message?.write(text);
  }

  /** The message is whole: judge it, act, answer. The transaction is over. Never throws. */
  endOfData({ sawBareNewline, isDotless }: Pick<DataReader, 'sawBareNewline' | 'isDotless'>): Eventual<Reply> {
    const transaction = this.#transaction;
    const message = this.#message;
    this.#message = undefined;
    if (!transaction || !message) return localProblem;
    message.end(isDotless);
    this.#isDisposing = true;
    const answered = (answer: Reply): Eventual<Reply> => after(this.#disposed(message), () => answer);
    const over = ({ reply: answer, tell }: Disposed): Eventual<Reply> => {
      this.#tell = tell;
      behindTurnEnd(this.#tellLast);
      return answered(answer);
    };
    const broken = (error: unknown): Eventual<Reply> =>
      answered(this.#record.broken(error, 'data', { transaction, recipient: transaction.recipients[0] }));
    try {
      const answer = dispose({
        transaction,
        message,
        sawBareNewline,
        services: this.#services,
        plugins: this.#plugins,
        protocol: this.#protocol(transaction),
        clientFields: this.#clientFields,
      });
      return answer instanceof Promise ? answer.then(over, broken) : over(answer);
    } catch (error) {
      return broken(error);
    }
  }

  /**
   * Log and journal hear what became of the last mail: behind the reply, which does not wait for that, or before
   * something else happens, which might change what is said. Never throws.
   */
  readonly #tellLast = (): void => {
    const tell = this.#tell;
    if (tell === undefined) return;
    this.#tell = undefined;
    try {
      tell();
    } catch (error) {
      this.#services.log.error(
        { session: this.id, problem: errorStack(error) },
        'what became of a mail cannot be logged',
      );
    }
  };

  /** A promise where a file has to be closed. */
  #disposed(message: IncomingMessage): Eventual<void> {
    this.#isDisposing = false;
    if (this.#isGone) this.#leave();
    else this.#endTransaction();
    this.#answeredMails++;
    return message.discard();
  }

  #unknown(line: string): Eventual<Reply> {
    return after(this.#plugins.atUnknown(line), (stopped) => stopped ?? notRecognized);
  }

  /** The connection ends this session by a reply of its own. What has come of a message is dropped. */
  sentAway(answer: Reply, kind: AwayReason): void {
    this.#tellLast();
    this.#record.sentAway(answer, kind, { transaction: this.#transaction, isReceiving: this.receiving });
    this.#dropMessage();
  }

  /** The client has gone, or is another one now. A message without its end is dropped. */
  closed(): void {
    this.#tellLast();
    if (this.#message) this.#record.brokenOff(this.#transaction);
    this.#dropMessage();
    if (this.#isDisposing) this.#isGone = true;
    else this.#leave();
  }

  #dropMessage(): void {
    void this.#message?.discard();
    this.#message = undefined;
  }

  #leave(): void {
    this.#endTransaction();
    this.#plugins.disconnected();
  }

  #endTransaction(): void {
    if (this.#transaction && !this.#relaying) this.#plugins.reset(this.#transaction);
    this.#transaction = undefined;
  }

  readonly #clientFields = (name: ClientName): ClientFields => {
    this.#fields ??= clientFields({
      hostname: this.#services.settings.hostname,
      tls: this.#state.tls,
      helo: this.#state.helo,
      ip: this.client.ip,
      name,
    });
    return this.#fields;
  };

  /** RFC 3848, RFC 6531 §4.3. */
  #protocol(transaction: SmtpTransaction): string {
    if (!this.#extended) return 'SMTP';
    return `${transaction.sender.smtpUtf8 ? 'UTF8SMTP' : 'ESMTP'}${this.secure ? 'S' : ''}`;
  }
}

/** STARTTLS and XCLIENT change the session itself: they are the connection's. */
type SessionCommand = Exclude<Command, { readonly kind: 'starttls' | 'xclient' }>;

const ok = constant(reply(250, '2.0.0', 'Ok'));
const bye = constant(closing(reply(221, '2.0.0', 'Bye')));
const vrfy = reply(252, '2.5.0', 'Send some mail, it will be seen');
const help = reply(214, '2.0.0', 'See RFC 5321');
const goAhead = constant(reply(354, '', 'End data with <CR><LF>.<CR><LF>'));
const senderOk = constant(reply(250, '2.1.0', 'Sender ok'));
const heloFirst = reply(503, '5.5.1', 'Send HELO/EHLO first');
const mailFirst = reply(503, '5.5.1', 'Need MAIL first');
const rcptFirst = reply(503, '5.5.1', 'Need RCPT first');
const noRecipients = reply(554, '5.5.1', 'No valid recipients');
const notRecognized = reply(500, '5.5.2', 'Command not recognized');
