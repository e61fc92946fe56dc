/**
 * The plugins' part in one session: what they see of it, and what they say at each hook. Which commands are legal, and
 * the reply where nobody objects, is the session's.
 */
import type {
  DataContext,
  HookContext,
  HookMethod,
  HookName,
  JudgingHook,
  PluginSaying,
  SessionContext,
  SessionFacts,
} from '../../hooks/plugin.js';
import {
  type HookLog,
  type HookOutcome,
  type NotedVerdict,
  type PluginTurn,
  problemOf,
  runHook,
} from '../../hooks/run.js';
import type { PluginSurroundings } from '../../hooks/shown/surroundings.js';
import { envelopeContext, mailContext, rcptContext, relayedContext } from '../../hooks/shown/mail-views.js';
import type { RelayedFacts, SeenSession, SessionState } from '../../hooks/shown/seen.js';
import { sessionContext, sessionFacts, unknownCommandContext } from '../../hooks/shown/session-views.js';
import type { PluginWord } from '../../journal/line.js';
import type { Eventual } from '../../mail/eventual.js';
import type { Reply } from '../../mail/reply.js';
import { printable } from '../../mail/text.js';
import type { Verdict } from '../../mail/verdict.js';
import { AskedHook, type Noted } from './asked-hook.js';
import type { AboutTransaction } from '../journal-lines.js';
import { addWord, sayingsOf, wordOf } from '../plugin-words.js';
import type { RecipientJudgement } from '../recipients/recipient-judgement.js';
import type { Services } from '../services.js';
import type { SessionRecord } from './session-record.js';
import type { SmtpTransaction } from '../transaction.js';

export class SessionPlugins implements SeenSession {
  /** What plugins see of the session, at every hook. */
  readonly facts: SessionFacts;
  readonly turn: PluginTurn = { plugin: '' };
  readonly #services: Services;
  readonly #state: SessionState;
  readonly #record: SessionRecord;
  readonly #context: SessionContext;
  /** The longest delay that plugins want for the reply that is due. */
  #delayMs = 0;
  /** What was said at the hooks of the session, but a plain pass. */
  readonly #words: PluginWord[] = [];
  /** Rejections and pardons from before there was a mail. */
  #saidAtConnect = nothingSaid;
  #saidAtHelo = nothingSaid;

  constructor(services: Services, state: SessionState, record: SessionRecord) {
    this.#services = services;
    this.#state = state;
    this.#record = record;
    this.facts = sessionFacts(state);
    this.#context = sessionContext(this);
  }

  delay(ms: number): void {
    this.#delayMs = Math.max(this.#delayMs, ms);
  }

  /** How much later the reply is to be heard, in milliseconds; asked once a reply. */
  takeDelay(): number {
    const ms = this.#delayMs;
    if (ms !== 0) this.#delayMs = 0;
    return ms;
  }

  get surroundings(): PluginSurroundings {
    return this.#services.surroundings;
  }

  get found(): readonly PluginSaying[] {
    return sayingsOf(this.#words);
  }

  log(id: string | undefined): HookLog {
    const { id: session, clientIp } = this.#state;
    return this.#services.hookLog({ ip: clientIp.text, session, ...(id !== undefined && { id }) });
  }

  /** Like all of these methods, it returns the reply that is due now; undefined where the session goes on. */
  atSession(hook: 'connect' | 'helo'): Eventual<Reply | undefined> {
    if (!this.#has(hook)) return undefined;
    const said: NotedVerdict[] = [];
    if (hook === 'connect') this.#saidAtConnect = said;
    else this.#saidAtHelo = said;
    return this.#run(hook, this.#context, { noted: { note: (one) => void said.push(one) } });
  }

  /** What was said of the connection and of HELO holds for each of its mails. */
  atMail(transaction: SmtpTransaction): Eventual<Reply | undefined> {
    this.#sayAgain(this.#saidAtConnect, transaction);
    this.#sayAgain(this.#saidAtHelo, transaction);
    if (!this.#has('mail')) return undefined;
    return this.#run('mail', mailContext(this, transaction), { transaction, noted: transaction });
  }

  #sayAgain(all: readonly NotedVerdict[], transaction: SmtpTransaction): void {
    for (const said of all) {
      transaction.note(said);
      transaction.hear(said.plugin, said.verdict);
    }
  }

  atRcpt(transaction: SmtpTransaction, judgement: RecipientJudgement): Eventual<Reply | undefined> {
    if (!this.#has('rcpt')) return undefined;
    const context = rcptContext(this, transaction, judgement);
    return this.#run('rcpt', context, { transaction, recipient: judgement.recipient, noted: judgement });
  }

  /** All recipients are known, the mail is about to be sent. */
  atData(transaction: SmtpTransaction): Eventual<Reply | undefined> {
    if (!this.#has('data')) return undefined;
    const [recipient] = transaction.recipients;
    return this.#run('data', envelopeContext(this, transaction), { transaction, recipient, noted: transaction });
  }

  /** The mail has been read to its end. What its outcome comes to is for whoever disposes of the mail. */
  atEnd(hook: 'dataPost' | 'queue', transaction: SmtpTransaction, context: DataContext): Eventual<HookOutcome> {
    return runHook(new AskedHook(this, this.#services, { hook, context, transaction, noted: transaction }));
  }

  /** `line` as it came. */
  atUnknown(line: string): Eventual<Reply | undefined> {
    this.#state.unknownCommands++;
    if (!this.#has('unknownCommand')) return undefined;
    const context = unknownCommandContext(this, printable(line, 100));
    return this.#run('unknownCommand', context, { noted: undefined });
  }

  #has(hook: HookName): boolean {
    return this.#services.plugins.of(hook).length > 0;
  }

  #run<H extends JudgingHook>(hook: H, context: HookContext<H>, part: Part): Eventual<Reply | undefined> {
    const { transaction, noted } = part;
    const outcome = runHook(new AskedHook(this, this.#services, { hook, context, transaction, noted }));
    return outcome instanceof Promise
      ? outcome.then((late) => this.#stopped(hook, late, part))
      : this.#stopped(hook, outcome, part);
  }

  /** Something that was said of the session. */
  hear(plugin: string, verdict: Verdict): void {
    addWord(this.#words, wordOf(plugin, verdict));
  }

  #stopped(hook: JudgingHook, outcome: HookOutcome, about: AboutTransaction): Reply | undefined {
    return outcome.kind === 'go on' ? undefined : this.#record.stopped(hook, outcome, about);
  }

  /** The MTA has taken the mail. */
  relayed(transaction: SmtpTransaction, facts: RelayedFacts): void {
    if (this.#has('relayed')) this.#tellAll('relayed', (seen) => relayedContext(seen, transaction, facts));
  }

  /** The transaction is over. */
  reset(transaction: SmtpTransaction): void {
    if (this.#has('reset')) this.#tellAll('reset', (seen) => mailContext(seen, transaction));
  }

  /** The client has gone. */
  disconnected(): void {
    if (this.#has('disconnect')) this.#tellAll('disconnect', sessionContext);
  }

  /** Each has a context of its own, in which it is its turn for ever: nobody waits for the one before. */
  #tellAll<H extends ToldHook>(hook: H, contextFor: (seen: SeenSession) => HookContext<H>): void {
    const { surroundings, facts, found } = this;
    for (const { plugin, name, method } of this.#services.plugins.of(hook)) {
      const seen = { surroundings, facts, found, turn: { plugin: name }, log: (id?: string) => this.log(id) };
      void this.#tell(() => (method as TellingMethod<H>).call(plugin, contextFor(seen)), { plugin: name, hook });
    }
  }

  /** A promise of the plugin that rejects later on is logged. */
  async #tell(
    act: () => void | Promise<void>,
    told: { readonly plugin: string; readonly hook: ToldHook },
  ): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.log(undefined).error({ ...told, why: problemOf(error) }, 'error');
    }
  }
}

/** The hooks of a session at which a plugin is told, and nobody waits. */
type ToldHook = 'relayed' | 'reset' | 'disconnect';
type TellingMethod<H extends HookName> = HookMethod<H> & ((context: HookContext<H>) => void | Promise<void>);

const nothingSaid: readonly NotedVerdict[] = [];

/** What belongs to one hook beside its context. */
interface Part extends AboutTransaction {
  readonly noted: Noted;
}
