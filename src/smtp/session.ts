/**
 * One SMTP session: commands in, replies out. Knows nothing of sockets or of npm smtp-server (connection.ts) and writes
 * nothing anywhere but through dispose.ts. Calls come one at a time, each after the reply to the last.
 */
import type {
  ClientName,
  MailContext,
  Plugin,
  RcptContext,
  Recipient,
  SessionContext,
  SessionFacts,
} from '../hooks/plugin.js';
import { type HookOutcome, runHook } from '../hooks/run.js';
import { type Address, type PathArgument, needsSmtpUtf8, parsePathArgument } from '../mail/address.js';
import { type Ip, inAny } from '../mail/ip.js';
import { type Reply, localProblem, reply } from '../mail/reply.js';
import { printable } from '../mail/text.js';
import type { Pardon, Rejection } from '../mail/verdict.js';
import { BrokenMarker } from '../srv/srv.js';
import { dispose } from './dispose.js';
import { IncomingMessage } from './incoming.js';
import { readMailParameters } from './mail-parameters.js';
import type { Services } from './services.js';
import { newId } from './transaction-id.js';
import { type Objection, type RecipientKind, SmtpTransaction } from './transaction.js';

export interface Client {
  readonly ip: Ip;
  /** Told by a trusted proxy (XCLIENT NAME); undefined: ask DNS. */
  readonly name: ClientName | undefined;
}

export class SmtpSession {
  readonly id = newId();
  readonly #services: Services;
  readonly #client: Client;
  readonly #clientName: Promise<ClientName>;
  readonly #relaying: boolean;
  #helo = '';
  #extended = false;
  #secure = false;
  #unknownCommands = 0;
  #transaction: SmtpTransaction | undefined;
  #refusedRecipients = 0;
  /** Rejections and pardons from before there was a mail. */
  readonly #said: Record<'connect' | 'helo', readonly SaidAtHook[]> = { connect: [], helo: [] };

  constructor(services: Services, client: Client) {
    this.#services = services;
    this.#client = client;
    this.#relaying = inAny(services.settings.relay_networks, client.ip);
    this.#clientName = client.name ? Promise.resolve(client.name) : services.clientName(client.ip);
  }

  get clientIp(): Ip {
    return this.#client.ip;
  }

  /** A transaction is under way: what is said now must be allowed to finish. */
  get busy(): boolean {
    return this.#transaction !== undefined;
  }

  /** Before the greeting. */
  async connect(): Promise<Reply | undefined> {
    return this.#stopOf('connect', await this.#runSession('connect'));
  }

  /** RFC 3207 §4.2: what was said before the handshake is forgotten. */
  secured(): void {
    this.#secure = true;
    this.#helo = '';
    this.#said.helo = [];
    this.#transaction = undefined;
  }

  /** HELO or EHLO, its name checked by the caller; undefined: go on with the greeting. */
  async helo(name: string, extended: boolean): Promise<Reply | undefined> {
    this.#transaction = undefined;
    this.#helo = name;
    this.#extended = extended;
    const stopped = this.#stopOf('helo', await this.#runSession('helo'));
    if (stopped) this.#helo = '';
    return stopped;
  }

  get greeted(): boolean {
    return this.#helo !== '';
  }

  reset(): void {
    this.#transaction = undefined;
  }

  /** What stands behind `MAIL FROM:`. */
  async mail(argument: Uint8Array): Promise<Reply> {
    if (this.#transaction) return reply(503, '5.5.1', 'Nested MAIL command');
    const parsed = parsePathArgument(argument);
    if (!parsed.ok) return reply(501, '5.1.7', `Bad sender address: ${parsed.problem}`);
    const { path, parameters } = parsed.value;
    if (path.kind === 'postmaster') return reply(501, '5.1.7', 'Bad sender address: no domain');
    const asked = readMailParameters(parameters, this.#services.settings.max_size);
    if (!asked.ok) return asked.reply;
    const address = path.kind === 'mailbox' ? path.address : undefined;
    if (address && needsSmtpUtf8(address) && !asked.smtpUtf8)
      return reply(553, '5.6.7', 'Non-ASCII sender address without SMTPUTF8');
    const sender = {
      reversePath: address?.text ?? '',
      domain: address?.domain ?? '',
      smtpUtf8: asked.smtpUtf8,
      eightBit: asked.eightBit,
    };
    const transaction = new SmtpTransaction(newId(), sender, Date.now());
    const stopped = this.#relaying ? undefined : await this.#judgeSender(transaction);
    if (stopped) return stopped;
    this.#transaction = transaction;
    this.#refusedRecipients = 0;
    return reply(250, '2.1.0', 'Sender ok');
  }

  /** What was said of the connection and of HELO holds for each of its mails. */
  async #judgeSender(transaction: SmtpTransaction): Promise<Reply | undefined> {
    const note: Note = ({ plugin, verdict }) =>
      verdict.kind === 'pardon' ? transaction.forgive(plugin, verdict) : transaction.reject(plugin, verdict);
    for (const said of [...this.#said.connect, ...this.#said.helo]) note(said);
    return this.#stopOf('mail', await this.#run('mail', transaction, () => this.#mailContext(transaction), note));
  }

  /** What stands behind `RCPT TO:`. */
  async rcpt(argument: Uint8Array): Promise<Reply> {
    const transaction = this.#transaction;
    if (!transaction) return reply(503, '5.5.1', 'Need MAIL first');
    if (transaction.recipients.length >= this.#services.settings.max_recipients)
      return reply(452, '4.5.3', 'Too many recipients');
    const parsed = parsePathArgument(argument);
    const answer = parsed.ok
      ? await this.#recipient(transaction, parsed.value)
      : reply(501, '5.1.3', `Bad recipient address: ${parsed.problem}`);
    if (answer.code !== 250) this.#refusedRecipients++;
    return answer;
  }

  async #recipient(transaction: SmtpTransaction, { path, parameters }: PathArgument): Promise<Reply> {
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
  async #local(transaction: SmtpTransaction, address: Address): Promise<Reply> {
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
    this.#logTurnedAway('rcpt', { reason: `not hosted: ${text}`, reply: answer.code });
    return answer;
  }

  /** What the plugins say counts only once the recipient is taken. */
  async #judged(transaction: SmtpTransaction, address: Address): Promise<Reply> {
    let objection: Objection | undefined;
    const said: (() => void)[] = [];
    const context = (): RcptContext => ({
      ...this.#mailContext(transaction),
      domain: address.domain,
      recipient: address,
      get rejection() {
        return objection?.rejection ?? transaction.objection?.rejection;
      },
      get pardoned() {
        return transaction.pardoned;
      },
      askAhead: () => this.#services.relay.probe(address.text),
    });
    const outcome = await this.#run('rcpt', transaction, context, ({ plugin, verdict }) => {
      if (verdict.kind === 'pardon') {
        if (verdict.lifts === 'all') objection = undefined;
        said.push(() => transaction.forgive(plugin, verdict));
      } else if (verdict.about === 'recipient') objection ??= { plugin, rejection: verdict };
      else said.push(() => transaction.reject(plugin, verdict));
    });
    const stopped = this.#stopOf('rcpt', outcome);
    if (stopped) return stopped;
    const answer = this.#add(transaction, address, objection ? 'refused' : 'deliverable', address.domain, objection);
    if (answer.code === 250) for (const apply of said) apply();
    return answer;
  }

  #add(
    transaction: SmtpTransaction,
    recipient: Recipient,
    kind: RecipientKind,
    domain: string,
    objection?: Objection,
  ): Reply {
    const added = transaction.add({ ...recipient, objection }, kind, domain);
    return added === 'added' ? reply(250, '2.1.5', 'Recipient ok') : otherTransaction;
  }

  /** A message to read the data into, or the reply that refuses DATA. */
  data(): IncomingMessage | Reply {
    if (!this.#transaction) return reply(503, '5.5.1', 'Need MAIL first');
    if (this.#transaction.recipients.length > 0)
      return new IncomingMessage(this.#transaction.id, this.#services.incoming);
    return this.#refusedRecipients > 0
      ? reply(554, '5.5.1', 'No valid recipients')
      : reply(503, '5.5.1', 'Need RCPT first');
  }

  /** The message is whole: judge it, act, answer. The transaction is over. Never throws. */
  async finish(message: IncomingMessage, sawBareNewline: boolean): Promise<Reply> {
    const transaction = this.#transaction;
    if (!transaction) return localProblem;
    try {
      return await dispose({
        transaction,
        message,
        sawBareNewline,
        services: this.#services,
        session: this.#facts(),
        protocol: this.#protocol(transaction),
        mailContext: () => this.#mailContext(transaction),
      });
    } catch (error) {
      return this.#broken(error, 'data');
    } finally {
      this.#transaction = undefined;
      await message.discard();
    }
  }

  /** An unknown command; `line` as it came. */
  async unknown(line: string): Promise<Reply> {
    this.#unknownCommands++;
    const context = (): SessionContext & { readonly command: string } => ({
      ...this.#context(),
      command: printable(line, 100),
    });
    const outcome = await this.#run('unknownCommand', undefined, context);
    return this.#stopOf('unknownCommand', outcome) ?? reply(500, '5.5.2', 'Command not recognized');
  }

  closed(): void {
    for (const plugin of this.#services.plugins) {
      void this.#disconnect(plugin).catch((error: unknown) => this.#broken(error, 'disconnect'));
    }
  }

  /** Nobody waits for it, yet a plugin that waits for something may fail later on. */
  async #disconnect(plugin: Plugin): Promise<void> {
    await plugin.disconnect?.(this.#context());
  }

  /** RFC 3848, RFC 6531 §4.3. */
  #protocol(transaction: SmtpTransaction): string {
    if (!this.#extended) return 'SMTP';
    return `${transaction.sender.smtpUtf8 ? 'UTF8SMTP' : 'ESMTP'}${this.#secure ? 'S' : ''}`;
  }

  #facts(): SessionFacts {
    return {
      id: this.id,
      clientIp: this.#client.ip,
      clientName: () => this.#clientName,
      helo: this.#helo,
      secure: this.#secure,
      unknownCommands: this.#unknownCommands,
    };
  }

  #context(): SessionContext {
    const { dns, store, host } = this.#services;
    return { session: this.#facts(), markers: this.#services.srv, dns, store, host };
  }

  #mailContext(transaction: SmtpTransaction): MailContext {
    const { reversePath, domain } = transaction.sender;
    return { ...this.#context(), id: transaction.id, reversePath, senderDomain: domain };
  }

  async #runSession(hook: 'connect' | 'helo'): Promise<HookOutcome> {
    if (this.#relaying) return { kind: 'go on' };
    const said: SaidAtHook[] = [];
    this.#said[hook] = said;
    return this.#run(
      hook,
      undefined,
      () => this.#context(),
      (one) => void said.push(one),
    );
  }

  #run(
    hook: 'connect' | 'helo' | 'mail' | 'rcpt' | 'unknownCommand',
    transaction: SmtpTransaction | undefined,
    context: () => unknown,
    note: Note = () => {},
  ): Promise<HookOutcome> {
    const plugins: readonly Plugin[] = this.#services.plugins;
    const log = this.#services.hookLog({
      ip: this.#client.ip.text,
      session: this.id,
      ...(transaction && { id: transaction.id }),
    });
    const made = context();
    return runHook({
      hook,
      plugins,
      context: () => made,
      log,
      timeoutMs: this.#services.settings.plugin_timeout,
      note,
    });
  }

  /** A refusal before the end of data has no transaction line of its own: it is logged here. */
  #stopOf(hook: string, outcome: HookOutcome): Reply | undefined {
    if (outcome.kind === 'go on') return undefined;
    const { plugin, log, reply: answer } = outcome;
    this.#logTurnedAway(hook, { plugin, reason: log, reply: answer.code });
    return answer;
  }

  #logTurnedAway(at: string, details: object): void {
    this.#services.log.info(
      { ip: this.#client.ip.text, session: this.id, helo: this.#helo, at, ...details },
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

type SaidAtHook = { readonly plugin: string; readonly verdict: Rejection | Pardon };
type Note = (said: SaidAtHook) => void;

const otherTransaction = reply(452, '4.5.3', 'Send this recipient in a transaction of its own');
