/**
 * The plugins' part in one session, before the end of data: what they see of it, what they say at each hook, and the
 * log line of whoever is turned away by it. Which commands are legal, and the reply where nobody objects, is the
 * session's.
 */
import type {
  ClientName,
  HookContext,
  JudgingHook,
  LocalAddress,
  SessionContext,
  SessionFacts,
} from '../hooks/plugin.js';
import { type HookOutcome, type NotedVerdict, runHook } from '../hooks/run.js';
import {
  mailContext,
  rcptContext,
  sessionContext,
  sessionFacts,
  type SessionState,
  unknownCommandContext,
} from '../hooks/shown/views.js';
import type { JournalStage, JournalVerdict } from '../journal/line.js';
import { type Eventual, after } from '../mail/eventual.js';
import { deepFreeze } from '../mail/frozen.js';
import type { Ip } from '../mail/ip.js';
import { type Reply, localProblem, replyText } from '../mail/reply.js';
import { printable } from '../mail/text.js';
import type { Verdict } from '../mail/verdict.js';
import { BrokenMarker } from '../srv/srv.js';
import { type AboutTransaction, turnedAwayLine, verdictAt } from './journal-lines.js';
import type { RecipientJudgement } from './recipient-judgement.js';
import type { Services } from './services.js';
import type { TlsFacts } from './tls-facts.js';
import type { SmtpTransaction } from './transaction.js';
import { errorStack } from '../mail/error-text.js';

export interface Client {
  readonly ip: Ip;
  /** Told by a trusted proxy (XCLIENT NAME); undefined: ask DNS. */
  readonly name: ClientName | undefined;
  /** Where it has reached us, where there is a connection. */
  readonly local?: () => LocalAddress | undefined;
}

export class SessionPlugins {
  /** What plugins see of the session, at every hook. */
  readonly facts: SessionFacts;
  readonly #services: Services;
  readonly #state: SessionState;
  readonly #context: SessionContext;
  /** Rejections and pardons from before there was a mail. */
  readonly #said: Record<'connect' | 'helo', readonly NotedVerdict[]> = { connect: [], helo: [] };

  constructor(services: Services, client: Client, id: string) {
    this.#services = services;
    this.#state = stateOf(id, client, client.name ?? services.clientName(client.ip));
    this.facts = sessionFacts(this.#state);
    this.#context = sessionContext(services.surroundings, this.facts);
  }

  /** The name that HELO gave; '' before it, and where it was refused. */
  get helo(): string {
    return this.#state.helo;
  }

  set helo(name: string) {
    this.#state.helo = name;
  }

  get secure(): boolean {
    return this.#state.tls !== undefined;
  }

  /** RFC 3207 §4.2: what was said before the handshake is forgotten. */
  secured(tls: TlsFacts): void {
    this.#state.tls = Object.freeze({ ...tls });
    this.#state.helo = '';
    this.#said.helo = [];
  }

  /** Like all of these methods, it returns the reply that is due now; undefined where the session goes on. */
  atSession(hook: 'connect' | 'helo'): Eventual<Reply | undefined> {
    const said: NotedVerdict[] = [];
    this.#said[hook] = said;
    return this.#run(hook, this.#context, { note: (one) => void said.push(one) });
  }

  /** What was said of the connection and of HELO holds for each of its mails. */
  atMail(transaction: SmtpTransaction): Eventual<Reply | undefined> {
    for (const said of [...this.#said.connect, ...this.#said.helo]) {
      transaction.note(said);
      transaction.hear(said.plugin, said.verdict);
    }
    const context = mailContext(this.#services.surroundings, this.facts, transaction);
    return this.#run('mail', context, { transaction, note: (said) => transaction.note(said) });
  }

  atRcpt(transaction: SmtpTransaction, judgement: RecipientJudgement): Eventual<Reply | undefined> {
    const context = rcptContext(this.#services.surroundings, this.facts, transaction, judgement);
    const { recipient } = judgement;
    return this.#run('rcpt', context, { transaction, recipient, note: (said) => judgement.note(said) });
  }

  /** `line` as it came. */
  atUnknown(line: string): Eventual<Reply | undefined> {
    this.#state.unknownCommands++;
    return this.#run(
      'unknownCommand',
      unknownCommandContext(this.#services.surroundings, this.facts, printable(line, 100)),
    );
  }

  #run<H extends JudgingHook>(hook: H, context: HookContext<H>, part: Part = {}): Eventual<Reply | undefined> {
    const { plugins, settings, hookLog } = this.#services;
    const { transaction, note = () => {} } = part;
    // Plugins are asked at each recipient, so only their objections are recorded.
    const tell = (plugin: string, verdict: Verdict): void => {
      if (verdict.kind !== 'pass') transaction?.hear(plugin, verdict);
    };
    const { id: session, clientIp } = this.#state;
    const outcome = runHook({
      hook,
      plugins,
      id: transaction?.id ?? session,
      context,
      log: () => hookLog({ ip: clientIp.text, session, ...(transaction && { id: transaction.id }) }),
      debug: settings.log_level === 'debug',
      timeoutMs: settings.plugin_timeout,
      note,
      tell: this.#services.journal && transaction && tell,
    });
    return after(outcome, (settled) => this.#stopped(hook, settled, part));
  }

  /** A refusal before the end of data has no transaction line of its own: it is logged here. */
  #stopped(hook: JudgingHook, outcome: HookOutcome, part: Part): Reply | undefined {
    if (outcome.kind === 'go on') return undefined;
    const { plugin, log, reply: answer } = outcome;
    this.#services.metrics.stopped(plugin, answer);
    this.turnedAway(hook, answer, { plugin, reason: log, ...part });
    return answer;
  }

  /** `at` is the command, or the hook. */
  turnedAway(at: JudgingHook, answer: Reply, { plugin, reason, ...about }: WhyTurnedAway): void {
    const { id: session, clientIp, helo } = this.#state;
    const why = { ...(plugin !== undefined && { plugin }), reason };
    this.#services.log.info({ ip: clientIp.text, session, helo, at, ...why, reply: replyText(answer) }, 'turned away');
    this.enter(stageOf(at), answer, { plugin, reason, ...about });
  }

  /** Writes a line into the journal; the log has its own. */
  enter(stage: JournalStage, answer: Reply, { verdict, ...why }: WhyTurnedAway): void {
    const { id: session, clientIp, knownClientName, helo } = this.#state;
    const client = { session, ip: clientIp.text, name: knownClientName, helo, tls: this.#state.tls };
    const away = { stage, verdict: verdict ?? verdictAt(stage, answer), reply: answer, ...why };
    this.#services.journal?.write(() => turnedAwayLine(client, away));
  }

  /** Nothing is accepted because something broke. */
  broken(error: unknown, at: 'rcpt' | 'data' | 'reset' | 'disconnect', about: AboutTransaction = {}): Reply {
    const problem = error instanceof BrokenMarker ? error.message : errorStack(error);
    const { id: session, clientIp } = this.#state;
    this.#services.log.error({ ip: clientIp.text, session, at, problem }, 'cannot be judged now');
    if (at !== 'rcpt' && at !== 'data') return localProblem;
    this.#services.metrics.broken(at);
    this.enter(at, localProblem, { reason: 'cannot be judged now', ...about });
    return localProblem;
  }

  /** The transaction is over. */
  reset(transaction: SmtpTransaction): void {
    const hooked = this.#services.plugins.of('reset');
    if (hooked.length === 0) return;
    const context = mailContext(this.#services.surroundings, this.facts, transaction);
    for (const { plugin, method } of hooked) void this.#tell(() => method.call(plugin, context), 'reset');
  }

  /** The client has gone. */
  disconnected(): void {
    for (const { plugin, method } of this.#services.plugins.of('disconnect'))
      void this.#tell(() => method.call(plugin, this.#context), 'disconnect');
  }

  /** Nobody waits for the plugin; a promise of it that rejects later on is logged. */
  async #tell(act: () => void | Promise<void>, hook: 'reset' | 'disconnect'): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.broken(error, hook);
    }
  }
}

/** What belongs to one hook beside its context. */
interface Part extends AboutTransaction {
  readonly note?: (said: NotedVerdict) => void;
}

interface WhyTurnedAway extends AboutTransaction {
  readonly plugin?: string | undefined;
  readonly reason: string;
  /** As the stage has it where it is not given. */
  readonly verdict?: JournalVerdict;
}

/** Unknown commands come at any time; most who send them get no further than HELO. */
const stageOf = (hook: JudgingHook): JournalStage =>
  hook === 'unknownCommand' ? 'helo' : hook === 'dataPost' || hook === 'queue' ? 'dot' : hook;

function stateOf(id: string, { ip, local }: Client, name: ClientName | Promise<ClientName>): SessionState {
  const isKnown = !(name instanceof Promise);
  const state: SessionState = {
    id,
    clientIp: deepFreeze(ip),
    clientName: Object.freeze(isKnown ? Promise.resolve(deepFreeze(name)) : name.then(deepFreeze)),
    knownClientName: isKnown ? name : undefined,
    helo: '',
    tls: undefined,
    localAddress: () => local && deepFreeze(local()),
    unknownCommands: 0,
  };
  if (!isKnown) void state.clientName.then((found) => (state.knownClientName = found));
  return state;
}
