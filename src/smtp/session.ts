/**
 * One SMTP session: commands in, replies out, and the message between two of them. Knows nothing of sockets
 * (connection.ts) and writes nothing anywhere but through disposing/. Calls come one at a time, each after the reply to
 * the last.
 */
import { performance } from 'node:perf_hooks';
import type { ClientName, EarlyTalk, Recipient } from '../hooks/plugin.js';
import type { Address, PathArgument } from '../mail/address.js';
import type { Result } from '../mail/result.js';
import { type Eventual, after } from '../mail/eventual.js';
import { type Ip, inAny } from '../mail/ip.js';
import { type Reply, closing, constant, isTemporary, localProblem, reply, withLines } from '../mail/reply.js';
import type { AwayReason } from '../metrics/gate.js';
import type { DestinationList } from '../relay/destination/destination.js';
import type { Command } from './command/command.js';
import { destinationsOf, isFull, routed } from './recipients/destinations.js';
import { dispose } from './disposing/dispose.js';
import type { AboutTransaction } from './journal-lines.js';
import type { DataReader } from './message/data-reader.js';
import { IncomingMessage } from './message/incoming.js';
import { addressOf, recipientOf, senderOf } from './command/envelope.js';
import { RecipientJudgement } from './recipients/recipient-judgement.js';
import type { Services } from './services.js';
import { type Client, SessionPlugins } from './session-plugins.js';
import type { TlsFacts } from './tls-facts.js';
import { type ClientFields, clientFields } from './disposing/trace-fields.js';
import { newId } from './transaction-id.js';
import { type Objection, type RecipientKind, type Sender, SmtpTransaction } from './transaction.js';

export type { Client } from './session-plugins.js';

export class SmtpSession {
  readonly id = newId();
  readonly #services: Services;
  readonly #client: Client;
  readonly #offered: () => readonly string[];
  readonly #relaying: boolean;
  readonly #plugins: SessionPlugins;
  #extended = false;
  #tls: TlsFacts | undefined;
  /** They hold until the next HELO; made when the first mail needs them. */
  #fields: ClientFields | undefined;
  #transaction: SmtpTransaction | undefined;
  /** The message that is being received: 354 has been said, its end has not come. */
  #message: IncomingMessage | undefined;
  /** The message is whole, and is judged, relayed or archived, whether its client is there or not. */
  #isDisposing = false;
  #isGone = false;
  #offersDsn = false;
  #refusedRecipients = 0;
  #answeredMails = 0;

  /** `offered` are the extensions that hang on the connection. */
  constructor(services: Services, client: Client, offered: () => readonly string[] = () => []) {
    this.#services = services;
    this.#client = client;
    this.#offered = offered;
    this.#relaying = inAny(services.settings.relay_networks, client.ip);
    this.#plugins = new SessionPlugins(services, client, this.id);
  }

  get client(): Client {
    return this.#client;
  }

  get clientIp(): Ip {
    return this.#client.ip;
  }

  get secure(): boolean {
    return this.#plugins.secure;
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
    return this.#extended && this.#plugins.helo !== '';
  }

  /** How much later the reply that is due is to be heard, in milliseconds: a plugin wants it. */
  takeDelay(): number {
    return this.#plugins.takeDelay();
  }

  saidEarly(what: EarlyTalk): void {
    this.#plugins.saidEarly(what);
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
  secured(tls: TlsFacts): void {
    this.#tls = tls;
    this.#fields = undefined;
    this.#endTransaction();
    this.#plugins.secured(tls);
  }

  answer(command: SessionCommand): Eventual<Reply> {
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
    this.#plugins.helo = name;
    this.#extended = extended;
    this.#fields = undefined;
    return after(this.#relaying ? undefined : this.#plugins.atSession('helo'), (stopped) => {
      if (stopped) this.#plugins.helo = '';
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
    if (this.#plugins.helo === '') return this.#declined('mail', heloFirst);
    if (this.#transaction) return this.#declined('mail', reply(503, '5.5.1', 'Nested MAIL command'));
    const sender = senderOf(argument, this.#services.settings.max_size, this.#offersDsn);
    if (sender.ok) return this.#begin(sender.value);
    const { answer, from } = sender.problem;
    return this.#declined('mail', answer, { from });
  }

  #malformed({ problem, verb }: Extract<Command, { readonly kind: 'malformed' }>): Reply {
    const answer = reply(501, '5.5.4', problem);
    return verb === undefined ? answer : this.#declined(verb, answer, { transaction: this.#transaction });
  }

  /** Nothing comes of the command: the journal is told, for somebody may ask for the mail. */
  #declined(stage: 'mail' | 'rcpt', answer: Reply, about: AboutTransaction = {}): Reply {
    this.#services.metrics.turnedAway('command');
    const verdict = isTemporary(answer) ? 'deferred' : 'turned away';
    this.#plugins.enter(stage, answer, { reason: answer.text, verdict, ...about });
    return answer;
  }

  #begin(sender: Sender): Eventual<Reply> {
    const transaction = new SmtpTransaction(newId(), sender, performance.now());
    return after(this.#relaying ? undefined : this.#plugins.atMail(transaction), (stopped) => {
      if (stopped) {
        this.#plugins.reset(transaction);
        return stopped;
      }
      this.#transaction = transaction;
      this.#refusedRecipients = 0;
      return senderOk;
    });
  }

  #rcpt(argument: Result<PathArgument>): Eventual<Reply> {
    const transaction = this.#transaction;
    if (!transaction) return this.#plugins.helo === '' ? heloFirst : mailFirst;
    const answer = argument.ok
      ? this.#recipient(transaction, argument.value)
      : this.#declined('rcpt', reply(501, '5.1.3', `Bad recipient address: ${argument.problem}`), { transaction });
    return after(answer, (said) => {
      if (said.code !== 250) this.#refusedRecipients++;
      return said;
    });
  }

  #recipient(transaction: SmtpTransaction, argument: PathArgument): Eventual<Reply> {
    const no = (answer: Reply): Reply =>
      this.#declined('rcpt', answer, { transaction, recipient: addressOf(argument.path) });
    if (transaction.recipients.length >= this.#services.settings.max_recipients)
      return no(reply(452, '4.5.3', 'Too many recipients'));
    const named = recipientOf(argument, transaction.sender.smtpUtf8, this.#offersDsn);
    if (!named.ok) return no(named.problem);
    const { address, parameters, dsn } = named.value;
    const recipient = address ?? this.#postmaster();
    const answer = this.#admit(transaction, recipient, address && { address, parameters });
    return dsn === ''
      ? answer
      : after(answer, (said) => {
          if (said.code === 250) transaction.askDsn(recipient.text, dsn);
          return said;
        });
  }

  #admit(transaction: SmtpTransaction, recipient: Recipient, mailbox: NamedMailbox | undefined): Eventual<Reply> {
    const no = (answer: Reply): Reply => this.#declined('rcpt', answer, { transaction, recipient });
    if (mailbox === undefined) return this.#add(transaction, recipient, 'postmaster', '');
    const { address } = mailbox;
    if (this.#relaying && isFull(transaction, address.text, this.#services.settings.relay)) return no(otherTransaction);
    if (this.#relaying) return this.#add(transaction, address, 'relay', '');
    return this.#local(transaction, mailbox);
  }

  #postmaster(): Recipient {
    const text = this.#services.settings.postmaster?.text ?? '';
    return text === ''
      ? { text: 'postmaster', localPart: 'postmaster', domain: '' }
      : { text, localPart: 'postmaster', domain: '' };
  }

  /**
   * A recipient that is not of a hosted domain is refused at once, whatever the whitelists say: never an open relay.
   */
  #local(transaction: SmtpTransaction, mailbox: NamedMailbox): Eventual<Reply> {
    const { address } = mailbox;
    const services = this.#services;
    let to: DestinationList;
    try {
      if (!services.srv.isHosted(address.domain)) return this.#relayingDenied(transaction, address);
      to = destinationsOf(address.domain, services);
      if (to !== services.settings.relay) services.dsn.met(to);
    } catch (error) {
      return this.#plugins.broken(error, 'rcpt', { transaction, recipient: address });
    }
    const isOther = transaction.kind !== undefined && transaction.domain !== address.domain;
    if (isOther || isFull(transaction, address.text, to))
      return this.#declined('rcpt', otherTransaction, { transaction, recipient: address });
    const known = this.#services.refusals.recall(address.text, to.text);
    if (known) return this.#refusedByMta(transaction, address, known);
    return this.#judged(transaction, mailbox, to);
  }

  #relayingDenied(transaction: SmtpTransaction, recipient: Address): Reply {
    const reason = `not hosted: ${recipient.text}`;
    this.#services.metrics.turnedAway('relaying');
    this.#plugins.turnedAway('rcpt', relayingDenied, { reason, verdict: 'turned away', transaction, recipient });
    return relayingDenied;
  }

  #refusedByMta(transaction: SmtpTransaction, recipient: Address, answer: Reply): Reply {
    this.#services.metrics.turnedAway('mta');
    this.#plugins.enter('rcpt', answer, { reason: 'by the local MTA', transaction, recipient });
    return answer;
  }

  /** The connection ends this session by a reply of its own. What has come of a message is dropped. */
  sentAway(answer: Reply, kind: AwayReason): void {
    this.#services.metrics.turnedAway(kind);
    const plugin = kind === 'fault' || kind === 'stopping' ? undefined : 'limits';
    const transaction = this.#transaction;
    const why = { plugin, reason: answer.text, transaction };
    if (this.#message) {
      this.#dropMessage();
      return this.#plugins.enter('data', answer, { ...why, recipient: transaction?.recipients[0] });
    }
    const stage = transaction ? 'rcpt' : this.#plugins.helo === '' ? 'connect' : 'mail';
    const away = { ...why, verdict: 'turned away' } as const;
    // Whoever floods us with connections must not flood the log: the journal counts him.
    if (kind === 'connections') this.#plugins.enter(stage, answer, away);
    else this.#plugins.turnedAway(stage, answer, away);
  }

  #dropMessage(): void {
    void this.#message?.discard();
    this.#message = undefined;
  }

  #judged(transaction: SmtpTransaction, { address, parameters }: NamedMailbox, to: DestinationList): Eventual<Reply> {
    const judgement = new RecipientJudgement(transaction, {
      recipient: address,
      parameters,
      askAhead: () => this.#services.relay.probe(address.text, to),
    });
    return after(this.#plugins.atRcpt(transaction, judgement), (stopped) => {
      if (stopped) return stopped;
      const { objection } = judgement;
      if (judgement.isApart || isFull(transaction, address.text, routed(judgement.route) ?? to))
        return this.#declined('rcpt', otherTransaction, { transaction, recipient: address });
      const answer = this.#add(transaction, address, objection ? 'refused' : 'deliverable', address.domain, objection);
      if (answer.code === 250) judgement.apply();
      return answer;
    });
  }

  #add(
    transaction: SmtpTransaction,
    recipient: Recipient,
    kind: RecipientKind,
    domain: string,
    objection?: Objection,
  ): Reply {
    const { text, localPart, domain: own } = recipient;
    const added = transaction.add({ text, localPart, domain: own, objection }, kind, domain);
    return added === 'added' ? recipientOk : this.#declined('rcpt', otherTransaction, { transaction, recipient });
  }

  #data(): Eventual<Reply> {
    const transaction = this.#transaction;
    if (!transaction) return this.#plugins.helo === '' ? heloFirst : mailFirst;
    if (transaction.recipients.length > 0) {
      // The domainless postmaster is never refused (RFC 5321 §4.5.1).
      const isJudged = !this.#relaying && transaction.domain !== '';
      return after(
        isJudged ? this.#plugins.atData(transaction) : undefined,
        (stopped) => stopped ?? this.#take(transaction),
      );
    }
    return this.#refusedRecipients > 0
      ? reply(554, '5.5.1', 'No valid recipients')
      : reply(503, '5.5.1', 'Need RCPT first');
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
    const over = (answer: Reply): Eventual<Reply> => after(this.#disposed(message), () => answer);
    const broken = (error: unknown): Eventual<Reply> =>
      over(this.#plugins.broken(error, 'data', { transaction, recipient: transaction.recipients[0] }));
    try {
      const answer = dispose({
        transaction,
        message,
        sawBareNewline,
        services: this.#services,
        plugins: this.#plugins,
        protocol: this.#protocol(transaction),
        tls: this.#tls,
        clientFields: this.#clientFields,
      });
      return answer instanceof Promise ? answer.then(over, broken) : over(answer);
    } catch (error) {
      return broken(error);
    }
  }

  /** A promise where a file has to be closed. */
  #disposed(message: IncomingMessage): Eventual<void> {
    this.#isDisposing = false;
    if (this.#isGone) this.#leave();
    else this.#endTransaction();
    this.#answeredMails++;
    return message.discard();
  }

  /** Who asks for the mail is told that it was on its way. */
  #brokenOff(): void {
    const transaction = this.#transaction;
    const reason = 'the connection ended before the mail did';
    this.#plugins.enter('data', noReply, { reason, transaction, recipient: transaction?.recipients[0] });
  }

  #unknown(line: string): Eventual<Reply> {
    return after(this.#plugins.atUnknown(line), (stopped) => stopped ?? notRecognized);
  }

  /** The client has gone, or is another one now. A message without its end is dropped. */
  closed(): void {
    if (this.#message) this.#brokenOff();
    this.#dropMessage();
    if (this.#isDisposing) this.#isGone = true;
    else this.#leave();
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
      tls: this.#tls,
      helo: this.#plugins.helo,
      ip: this.#client.ip,
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

/** A mailbox as RCPT names it. */
interface NamedMailbox {
  readonly address: Address;
  readonly parameters: readonly string[] | undefined;
}

/** STARTTLS and XCLIENT change the session itself: they are the connection's. */
type SessionCommand = Exclude<Command, { readonly kind: 'starttls' | 'xclient' }>;

const ok = constant(reply(250, '2.0.0', 'Ok'));
const bye = constant(closing(reply(221, '2.0.0', 'Bye')));
const vrfy = reply(252, '2.5.0', 'Send some mail, it will be seen');
const help = reply(214, '2.0.0', 'See RFC 5321');
/** Nothing could be said any more. */
const noReply = reply(451, '', 'Not received');
const goAhead = constant(reply(354, '', 'End data with <CR><LF>.<CR><LF>'));
const senderOk = constant(reply(250, '2.1.0', 'Sender ok'));
const recipientOk = constant(reply(250, '2.1.5', 'Recipient ok'));
const heloFirst = reply(503, '5.5.1', 'Send HELO/EHLO first');
const mailFirst = reply(503, '5.5.1', 'Need MAIL first');
const notRecognized = reply(500, '5.5.2', 'Command not recognized');
const relayingDenied = reply(550, '5.7.1', 'Relaying denied');
const otherTransaction = reply(452, '4.5.3', 'Send this recipient in a transaction of its own');
