/** One hook of a session, for the runner: what plugins say there goes to the session, the mail or the recipient. */
import type { HookContext, JudgingHook } from '../../hooks/plugin.js';
import type { HookLog, HookRun, NotedVerdict, PluginTurn } from '../../hooks/run.js';
import type { HookTable } from '../../hooks/table.js';
import type { Verdict } from '../../mail/verdict.js';
import type { Settings } from '../../settings/settings.js';
import type { Services } from '../services.js';
import type { SessionPlugins } from './session-plugins.js';
import type { SmtpTransaction } from '../transaction.js';

/** Who is told what is said of the mail. */
export type Noted = Pick<SmtpTransaction, 'note'> | undefined;

/** Are lines of the level debug written? */
export const writesDebug = ({ log_level }: Pick<Settings, 'log_level'>): boolean =>
  log_level === 'debug' || log_level === 'trace';

interface HookOfSession<H extends JudgingHook> {
  readonly hook: H;
  readonly context: HookContext<H>;
  readonly transaction: SmtpTransaction | undefined;
  readonly noted: Noted;
}

export class AskedHook<H extends JudgingHook> implements HookRun<H> {
  readonly hook: H;
  readonly plugins: HookTable;
  readonly id: string;
  readonly context: HookContext<H>;
  readonly turn: PluginTurn;
  readonly debug: boolean;
  readonly timeoutMs: number;
  readonly #session: SessionPlugins;
  readonly #srv: Services['srv'];
  readonly #transaction: SmtpTransaction | undefined;
  readonly #noted: Noted;
  readonly #isAtEnd: boolean;

  constructor(
    session: SessionPlugins,
    { plugins, settings, srv }: Services,
    { hook, context, transaction, noted }: HookOfSession<H>,
  ) {
    this.hook = hook;
    this.plugins = plugins;
    this.id = transaction === undefined ? session.facts.id : transaction.id;
    this.context = context;
    this.turn = session.turn;
    this.debug = writesDebug(settings);
    this.timeoutMs = settings.plugin_timeout;
    this.#session = session;
    this.#srv = srv;
    this.#transaction = transaction;
    this.#noted = noted;
    this.#isAtEnd = hook === 'dataPost' || hook === 'queue';
  }

  checkNames(): ReadonlySet<string> | undefined {
    return this.#transaction && this.#srv.checkNames(this.#transaction.domain);
  }

  log(): HookLog {
    return this.#session.log(this.#transaction?.id);
  }

  note(said: NotedVerdict): void {
    this.#noted?.note(said);
  }

  /** Once the mail is being sent, its client has waited long enough. */
  delay(ms: number): void {
    if (!this.#isAtEnd) this.#session.delay(ms);
  }

  /** Before, plugins are asked at each recipient, so only their objections are recorded. */
  tell(plugin: string, verdict: Verdict, ms?: number): void {
    if (this.#isAtEnd) this.#transaction?.hear(plugin, verdict, ms);
    else if (verdict.kind !== 'pass') (this.#transaction ?? this.#session).hear(plugin, verdict);
  }
}
