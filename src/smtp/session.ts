/**
 * One SMTP session: commands in, replies out, and the message between two of them. Knows nothing of sockets (connection.ts)
 * and writes nothing anywhere but through dispose.ts. Calls come one at a time, each after the reply to the last.
 */
import type {
  ClientName,
  HookContext,
  HookMethod,
  JudgingHook,
  MailContext,
  Plugin,
  Recipient,
  SessionContext,
  SessionFacts,
} from '../hooks/plugin.js';
import { type HookOutcome, type NotedVerdict, runHook } from '../hooks/run.js';
import {
  mailContext,
  rcptContext,
  type SeenRecipient,
  sessionContext,
  sessionFacts,
  type SessionState,
  unknownCommandContext,
} from '../hooks/views.js';
import { type Address, type Parsed, type PathArgument, needsSmtpUtf8 } from '../mail/address.js';
import { type Eventual, after } from '../mail/eventual.js';
import { deepFreeze } from '../mail/frozen.js';
import { type Ip, inAny } from '../mail/ip.js';
import { type Reply, closing, localProblem, reply, replyText } from '../mail/reply.js';
import { printable } from '../mail/text.js';
import type { Rejection } from '../mail/verdict.js';
import { BrokenMarker } from '../srv/srv.js';
import type { Command } from './command/command.js';
import { dispose } from './dispose.js';
import { IncomingMessage } from './incoming.js';
import { readMailParameters } from './command/mail-parameters.js';
import type { Services } from './services.js';
import type { TlsFacts } from './tls-facts.js';
import { newId } from './transaction-id.js';
import { type Objection, type RecipientKind, type Sender, SmtpTransaction } from './transaction.js';

export interface Client {
  readonly ip: Ip;
  /** Told by a trusted proxy (XCLIENT NAME); undefined: ask DNS. */
  readonly name: ClientName | undefined;
}

export class SmtpSession {
  readonly id = newId();
  readonly #services: Services;
  readonly #client: Client;
  readonly #offered: () => readonly string[];
  readonly #relaying: boolean;
  readonly #state: SessionState;
  /** What plugins see of the session, at every hook. */
  readonly #facts: SessionFacts;
  readonly #context: SessionContext;
  #extended = false;
  #tls: TlsFacts | undefined;
  #transaction: SmtpTransaction | undefined;
  /** The message that is being received: 354 has been said, its end has not come. */
  #message: IncomingMessage | undefined;
  #refusedRecipients = 0;
  /** Rejections and pardons from before there was a mail. */
  readonly #said: Record<'connect' | 'helo', readonly NotedVerdict[]> = { connect: [], helo: [] };

  /** `offered` are the extensions that hang on the connection. */
  constructor(services: Services, client: Client, offered: () => readonly string[] = () => []) {
    this.#services = services;
    this.#client = client;
    this.#offered = offered;
    this.#relaying = inAny(services.settings.relay_networks, client.ip);
    this.#state = stateOf(this.id, client, client.name ?? services.clientName(client.ip));
    this.#facts = sessionFacts(this.#state);
    this.#context = sessionContext(services.surroundings, this.#facts);
  }

  get client(): Client {
    return this.#client;
  }

  get clientIp(): Ip {
    return this.#client.ip;
  }

  get secure(): boolean {
    return this.#state.secure;
  }

  /** A transaction is under way: what is said now must be allowed to finish. */
  get busy(): boolean {
    return this.#transaction !== undefined;
  }

  /** Are the next octets text of the message? */
  get receiving(): boolean {
    return this.#message !== undefined;
  }

  /** Before the greeting; the reply that takes its place where there is one. */
  connect(): Eventual<Reply | undefined> {
    return after(this.#runSession('connect'), (outcome) => this.#stopOf('connect', outcome));
  }

  /** RFC 3207 §4.2: what was said before the handshake is forgotten. */
  secured(tls: TlsFacts): void {
    this.#tls = tls;
    this.#state.secure = true;
    this.#state.helo = '';
    this.#said.helo = [];
    this.#transaction = undefined;
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
        this.#transaction = undefined;
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
        return reply(501, '5.5.4', command.problem);
      case 'unknown':
        return this.#unknown(command.line);
    }
  }

  /** RFC 5321 §4.1.4: it ends a transaction, also where a plugin refuses it. */
  #greet(name: string, extended: boolean): Eventual<Reply> {
    this.#transaction = undefined;
    this.#state.helo = name;
    this.#extended = extended;
    return after(this.#runSession('helo'), (outcome) => {
      const stopped = this.#stopOf('helo', outcome);
      if (stopped) this.#state.helo = '';
      return stopped ?? this.#welcome();
    });
  }

  #welcome(): Reply {
    const { hostname, max_size } = this.#services.settings;
    const welcome = reply(250, '', hostname);
    if (!this.#extended) return welcome;
    const always = ['PIPELINING', `SIZE ${max_size}`, '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES'];
    return { ...welcome, further: [...always, ...this.#offered()] };
  }

  #mail(argument: Parsed<PathArgument>): Eventual<Reply> {
    if (this.#state.helo === '') return heloFirst;
    if (this.#transaction) return reply(503, '5.5.1', 'Nested MAIL command');
    if (!argument.ok) return reply(501, '5.1.7', `Bad sender address: ${argument.problem}`);
    const { path, parameters } = argument.value;
    if (path.kind === 'postmaster') return reply(501, '5.1.7', 'Bad sender address: no domain');
    const asked = readMailParameters(parameters, this.#services.settings.max_size);
    if (!asked.ok) return asked.reply;
    const address = path.kind === 'mailbox' ? path.address : undefined;
    if (address && needsSmtpUtf8(address) && !asked.smtpUtf8)
      return reply(553, '5.6.7', 'Non-ASCII sender address without SMTPUTF8');
    const { smtpUtf8, eightBit } = asked;
    return this.#begin({ reversePath: address?.text ?? '', domain: address?.domain ?? '', smtpUtf8, eightBit });
  }

  #begin(sender: Sender): Eventual<Reply> {
    const transaction = new SmtpTransaction(newId(), sender, performance.now());
    return after(this.#relaying ? undefined : this.#judgeSender(transaction), (stopped) => {
      if (stopped) return stopped;
      this.#transaction = transaction;
      this.#refusedRecipients = 0;
      return senderOk;
    });
  }

  /** What was said of the connection and of HELO holds for each of its mails. */
  #judgeSender(transaction: SmtpTransaction): Eventual<Reply | undefined> {
    const note: Note = (said) => noteIn(transaction, said);
    for (const said of [...this.#said.connect, ...this.#said.helo]) note(said);
    const judged = this.#run('mail', this.#mailContext(transaction), transaction, note);
    return after(judged, (outcome) => this.#stopOf('mail', outcome));
  }

  #rcpt(argument: Parsed<PathArgument>): Eventual<Reply> {
    const transaction = this.#transaction;
    if (!transaction) return this.#state.helo === '' ? heloFirst : mailFirst;
    if (transaction.recipients.length >= this.#services.settings.max_recipients)
      return reply(452, '4.5.3', 'Too many recipients');
    const answer = argument.ok
      ? this.#recipient(transaction, argument.value)
      : reply(501, '5.1.3', `Bad recipient address: ${argument.problem}`);
    return after(answer, (said) => {
      if (said.code !== 250) this.#refusedRecipients++;
      return said;
    });
  }

  #recipient(transaction: SmtpTransaction, { path, parameters }: PathArgument): Eventual<Reply> {
    const [unknown] = parameters.keys();
    if (unknown !== undefined) return reply(555, '5.5.4', `Parameter not supported: ${unknown}`);
    if (path.kind === 'null') return reply(501, '5.1.3', 'Bad recipient address: empty');
    if (path.kind === 'postmaster') return this.#add(transaction, this.#postmaster(), 'postmaster', '');
    const { address } = path;
    if (needsSmtpUtf8(address) && !transaction.sender.smtpUtf8)
      return reply(553, '5.6.7', 'Non-ASCII recipient address without SMTPUTF8');
    if (this.#relaying) return this.#add(transaction, address, 'relay', '');
    return this.#local(transaction, address);
  }

  #postmaster(): Recipient {
    const text = this.#services.settings.postmaster?.text ?? '';
    return text === ''
      ? { text: 'postmaster', localPart: 'postmaster', domain: '' }
      : { text, localPart: 'postmaster', domain: '' };
  }

  /** A recipient that is not of a hosted domain is refused at once, whatever the whitelists say: never an open relay. */
  #local(transaction: SmtpTransaction, address: Address): Eventual<Reply> {
    try {
      if (!this.#services.srv.isHosted(address.domain)) return this.#relayingDenied(address);
    } catch (error) {
      return this.#broken(error, 'rcpt');
    }
    if (transaction.kind !== undefined && transaction.domain !== address.domain) return otherTransaction;
    const known = this.#services.refusals.recall(address.text);
    if (known) return known;
    return this.#judged(transaction, address);
  }

  #relayingDenied({ text }: Address): Reply {
    const answer = reply(550, '5.7.1', 'Relaying denied');
    this.#logTurnedAway('rcpt', { reason: `not hosted: ${text}`, reply: replyText(answer) });
    return answer;
  }

  /** What the plugins say counts only once the recipient is taken. */
  #judged(transaction: SmtpTransaction, address: Address): Eventual<Reply> {
    const judgement = new RecipientJudgement(transaction, address, () => this.#services.relay.probe(address.text));
    const context = rcptContext(this.#services.surroundings, this.#facts, transaction, judgement);
    const judged = this.#run('rcpt', context, transaction, (said) => judgement.note(said));
    return after(judged, (outcome) => {
      const stopped = this.#stopOf('rcpt', outcome);
      if (stopped) return stopped;
      const { objection } = judgement;
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
    const added = transaction.add({ ...recipient, objection }, kind, domain);
    return added === 'added' ? recipientOk : otherTransaction;
  }

  #data(): Reply {
    const transaction = this.#transaction;
    if (!transaction) return this.#state.helo === '' ? heloFirst : mailFirst;
    if (transaction.recipients.length > 0) {
      this.#message = new IncomingMessage(transaction.id, this.#services.incoming);
      return goAhead;
    }
    return this.#refusedRecipients > 0
      ? reply(554, '5.5.1', 'No valid recipients')
      : reply(503, '5.5.1', 'Need RCPT first');
  }

  /** The message's next octets; a promise where the client has to wait for the disk. Never throws. */
  receive(text: Buffer): Eventual<void> {
    return this.#message?.write(text);
  }

  /** The message is whole: judge it, act, answer. The transaction is over. Never throws. */
  async endOfData(sawBareNewline: boolean): Promise<Reply> {
    const transaction = this.#transaction;
    const message = this.#message;
    this.#message = undefined;
    if (!transaction || !message) return localProblem;
    message.end();
    try {
      return await dispose({
        transaction,
        message,
        sawBareNewline,
        services: this.#services,
        session: this.#facts,
        protocol: this.#protocol(transaction),
        tls: this.#tls,
      });
    } catch (error) {
      return this.#broken(error, 'data');
    } finally {
      this.#transaction = undefined;
      await message.discard();
    }
  }

  #unknown(line: string): Eventual<Reply> {
    this.#state.unknownCommands++;
    const context = unknownCommandContext(this.#services.surroundings, this.#facts, printable(line, 100));
    const asked = this.#run('unknownCommand', context);
    return after(asked, (outcome) => this.#stopOf('unknownCommand', outcome) ?? notRecognized);
  }

  /** The client has gone, or is another one now. A message without its end is dropped. */
  closed(): void {
    void this.#message?.discard();
    this.#message = undefined;
    for (const { plugin, method } of this.#services.plugins.of('disconnect')) void this.#disconnect(plugin, method);
  }

  /** Nobody waits for it, yet a plugin that waits for something may fail later on. */
  async #disconnect(plugin: Plugin, method: HookMethod<'disconnect'>): Promise<void> {
    try {
      await method.call(plugin, this.#context);
    } catch (error) {
      this.#broken(error, 'disconnect');
    }
  }

  /** RFC 3848, RFC 6531 §4.3. */
  #protocol(transaction: SmtpTransaction): string {
    if (!this.#extended) return 'SMTP';
    return `${transaction.sender.smtpUtf8 ? 'UTF8SMTP' : 'ESMTP'}${this.secure ? 'S' : ''}`;
  }

  #mailContext(transaction: SmtpTransaction): MailContext {
    return mailContext(this.#services.surroundings, this.#facts, transaction);
  }

  #runSession(hook: 'connect' | 'helo'): Eventual<HookOutcome> {
    if (this.#relaying) return { kind: 'go on' };
    const said: NotedVerdict[] = [];
    this.#said[hook] = said;
    return this.#run(hook, this.#context, undefined, (one) => void said.push(one));
  }

  #run<H extends JudgingHook>(
    hook: H,
    context: HookContext<H>,
    transaction?: SmtpTransaction,
    note: Note = () => {},
  ): Eventual<HookOutcome> {
    const { plugins, settings, hookLog } = this.#services;
    return runHook({
      hook,
      plugins,
      context,
      log: () => hookLog({ ip: this.#client.ip.text, session: this.id, ...(transaction && { id: transaction.id }) }),
      debug: settings.log_level === 'debug',
      timeoutMs: settings.plugin_timeout,
      note,
    });
  }

  /** A refusal before the end of data has no transaction line of its own: it is logged here. */
  #stopOf(hook: string, outcome: HookOutcome): Reply | undefined {
    if (outcome.kind === 'go on') return undefined;
    const { plugin, log, reply: answer } = outcome;
    this.#logTurnedAway(hook, { plugin, reason: log, reply: replyText(answer) });
    return answer;
  }

  #logTurnedAway(at: string, details: object): void {
    this.#services.log.info(
      { ip: this.#client.ip.text, session: this.id, helo: this.#state.helo, at, ...details },
      'turned away',
    );
  }

  /** Nothing is accepted because something broke. */
  #broken(error: unknown, at: string): Reply {
    const problem =
      error instanceof BrokenMarker ? error.message : error instanceof Error ? error.stack : String(error);
    this.#services.log.error({ ip: this.#client.ip.text, session: this.id, at, problem }, 'cannot be judged now');
    return localProblem;
  }
}

type Note = (said: NotedVerdict) => void;

function stateOf(id: string, { ip }: Client, name: ClientName | Promise<ClientName>): SessionState {
  const isKnown = !(name instanceof Promise);
  const state: SessionState = {
    id,
    clientIp: deepFreeze(ip),
    clientName: Object.freeze(isKnown ? Promise.resolve(deepFreeze(name)) : name.then(deepFreeze)),
    knownClientName: isKnown ? name : undefined,
    helo: '',
    secure: false,
    unknownCommands: 0,
  };
  if (!isKnown) void state.clientName.then((found) => (state.knownClientName = found));
  return state;
}

/** One recipient while plugins look at it. What they say counts for the transaction only once it is taken. */
class RecipientJudgement implements SeenRecipient {
  readonly recipient: Recipient;
  readonly askAhead: SeenRecipient['askAhead'];
  readonly #transaction: SmtpTransaction;
  readonly #said: NotedVerdict[] = [];
  #objection: Objection | undefined;

  constructor(transaction: SmtpTransaction, recipient: Recipient, askAhead: SeenRecipient['askAhead']) {
    this.#transaction = transaction;
    this.recipient = recipient;
    this.askAhead = askAhead;
  }

  get objection(): Objection | undefined {
    return this.#objection;
  }

  get rejection(): Rejection | undefined {
    return this.#objection?.rejection ?? this.#transaction.objection?.rejection;
  }

  get pardoned(): string | undefined {
    return this.#transaction.pardoned;
  }

  note(said: NotedVerdict): void {
    const { plugin, verdict } = said;
    if (verdict.kind === 'reject' && verdict.about === 'recipient') {
      this.#objection ??= { plugin, rejection: verdict };
      return;
    }
    if (verdict.kind === 'pardon' && verdict.lifts === 'all') this.#objection = undefined;
    this.#said.push(said);
  }

  apply(): void {
    for (const said of this.#said) noteIn(this.#transaction, said);
  }
}

const noteIn = (transaction: SmtpTransaction, { plugin, verdict }: NotedVerdict): void =>
  verdict.kind === 'pardon' ? transaction.forgive(plugin, verdict) : transaction.reject(plugin, verdict);

/** STARTTLS and XCLIENT change the session itself: they are the connection's. */
type SessionCommand = Exclude<Command, { readonly kind: 'starttls' | 'xclient' }>;

const ok = reply(250, '2.0.0', 'Ok');
const bye = closing(reply(221, '2.0.0', 'Bye'));
const vrfy = reply(252, '2.5.0', 'Send some mail, it will be seen');
const help = reply(214, '2.0.0', 'See RFC 5321');
const goAhead = reply(354, '', 'End data with <CR><LF>.<CR><LF>');
const senderOk = reply(250, '2.1.0', 'Sender ok');
const recipientOk = reply(250, '2.1.5', 'Recipient ok');
const heloFirst = reply(503, '5.5.1', 'Send HELO/EHLO first');
const mailFirst = reply(503, '5.5.1', 'Need MAIL first');
const notRecognized = reply(500, '5.5.2', 'Command not recognized');
const otherTransaction = reply(452, '4.5.3', 'Send this recipient in a transaction of its own');
