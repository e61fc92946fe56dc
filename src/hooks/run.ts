/**
 * One hook through the ordered plugins. The only place that catches what a plugin throws: it becomes `defer`, as does
 * an answer that does not come in time. One log line a plugin. Most plugins answer at once, so nothing here waits, and
 * no timer and no logger is made, before one returns a promise or has something to say.
 */
import { errorText } from '../mail/error-text.js';
import type { Eventual } from '../mail/eventual.js';
import { type Reply, localProblem, reply } from '../mail/reply.js';
import {
  type Pardon,
  type Points,
  type Rejection,
  type Rewrite,
  type Route,
  type Verdict,
  defer,
  note,
  pass,
  score,
  skip,
  triedOut,
} from '../mail/verdict.js';
import type { CheckMode } from '../srv/check-mode.js';
import { believe } from './believe.js';
import { nowAsked, nowAt } from './watched/doing.js';
import { whilePending } from './watched/pending.js';
import type { DataContext, HookContext, JudgingHook, Markers } from './plugin.js';
import type { HookedPlugin, HookTable } from './table.js';

/** `stop`: this reply is due now, and nothing further is asked. */
export type HookOutcome =
  | { readonly kind: 'go on' }
  | { readonly kind: 'stop'; readonly plugin: string; readonly reply: Reply; readonly log: string }
  /** The plugin has the mail: only where there is one. */
  | { readonly kind: 'taken'; readonly plugin: string; readonly reply: Reply; readonly log: string };

/** A verdict that counts for the transaction, and whose it is. */
export interface NotedVerdict {
  readonly plugin: string;
  readonly verdict: Rejection | Points | Pardon | Rewrite | Route;
}

export interface HookLog {
  debug(details: object, text: string): void;
  info(details: object, text: string): void;
  warn(details: object, text: string): void;
  error(details: object, text: string): void;
}

/** Which plugin is being asked. */
export interface PluginTurn {
  plugin: string;
}

export interface HookRun<H extends JudgingHook> {
  readonly hook: H;
  readonly plugins: HookTable;
  /** The mail's, or the session's where there is none yet. */
  readonly id: string;
  /** One for all plugins: what those before them said shows in it. */
  readonly context: HookContext<H>;
  /** Told whose turn it is, where lines of the plugin's own are to bear its name. */
  readonly turn?: PluginTurn | undefined;
  /** Are lines of the level debug written? */
  readonly debug: boolean;
  readonly timeoutMs: number;
  /** The markers of the mail's domain, where they are known ahead: as of `srv.checkNames`. */
  checkNames?(): ReadonlySet<string> | undefined;
  /** Called when the first line is to be written. */
  log(): HookLog;
  /** Told of each rejection, pardon, rewrite and weak sign, in order. */
  note(said: NotedVerdict): void;
  /** Told how much later a plugin wants the reply to be heard, in milliseconds. */
  delay?(ms: number): void;
  /** Told of each answer but a skip, and how long it was waited for, where it was. */
  tell?(plugin: string, verdict: Verdict, ms?: number): void;
}

const goOn: HookOutcome = { kind: 'go on' };

/** Asks the plugins that have this hook, one after the other, until one settles it. Never throws, never rejects. */
export function runHook<H extends JudgingHook>(run: HookRun<H>): Eventual<HookOutcome> {
  const [first] = run.plugins.of(run.hook);
  if (first === undefined) return goOn;
  nowAt(first.hookPlace, run.id);
  const hooked = mayBeAsked(run);
  return runFrom({ run, hooked, settled: undefined, checkModes: undefined }, 0);
}

/** What is off for the domain is not even looked at, unless somebody wants to hear that it is. */
function mayBeAsked<H extends JudgingHook>(run: HookRun<H>): readonly HookedPlugin<H>[] {
  const { plugins, hook } = run;
  if (hook !== 'dataPost' || run.debug || plugins.hear !== undefined) return plugins.of(hook);
  let markers: ReadonlySet<string> | undefined;
  try {
    markers = run.checkNames?.();
  } catch {
    // The first check is told what cannot be read.
  }
  return markers === undefined
    ? plugins.of(hook)
    : (plugins.possible(markers) as readonly unknown[] as readonly HookedPlugin<H>[]);
}

/** A run under way. */
interface Running<H extends JudgingHook> {
  readonly run: HookRun<H>;
  readonly hooked: readonly HookedPlugin<H>[];
  /** Why those that look at no settled mail are not asked; undefined until it is looked at, and when more was said. */
  settled: Verdict | undefined;
  /** Which checks are on for the mail's domain, once it has been asked. */
  checkModes: ReturnType<Markers['checkModes']> | undefined;
}

function runFrom<H extends JudgingHook>(running: Running<H>, first: number): Eventual<HookOutcome> {
  const { hooked } = running;
  for (let i = first; i < hooked.length; i++) {
    const one = hooked[i];
    if (one === undefined) break;
    const verdict = judge(running, one);
    if (verdict === pass || verdict === off) continue;
    if (verdict instanceof Promise)
      return verdict.then((late) => outcomeOf(running, one, late) ?? runFrom(running, i + 1));
    const outcome = outcomeOf(running, one, verdict);
    if (outcome !== undefined) return outcome;
  }
  return goOn;
}

/** undefined: the next plugin is asked. */
function outcomeOf<H extends JudgingHook>(
  running: Running<H>,
  { name }: HookedPlugin<H>,
  verdict: Verdict,
): HookOutcome | undefined {
  switch (verdict.kind) {
    case 'pass':
    case 'skip':
    case 'note':
      return undefined;
    case 'reject':
    case 'score':
    case 'pardon':
    case 'rewrite':
    case 'route':
      running.settled = undefined;
      running.run.note({ plugin: name, verdict });
      return undefined;
    case 'delay':
      running.run.delay?.(verdict.ms);
      return undefined;
    case 'accept':
      return goOn;
    case 'taken':
      return { kind: 'taken', plugin: name, reply: reply(250, '2.0.0', verdict.text), log: verdict.log };
    case 'refuse':
    case 'defer':
      return { kind: 'stop', plugin: name, reply: verdict.reply, log: verdict.log };
  }
}

function judge<H extends JudgingHook>(running: Running<H>, hooked: HookedPlugin<H>): Eventual<Verdict> {
  const { run } = running;
  let since = run.plugins.hear === undefined ? 0 : performance.now();
  let mode: ModeAsked = 'on';
  try {
    if (hooked.isChoosy) {
      const how = howAsked(running, hooked);
      if (isVerdict(how)) return told(run, hooked, how, since);
      mode = how;
    }
    nowAsked(hooked.place);
    if (run.turn) run.turn.plugin = hooked.name;
    if (hooked.meter) since = performance.now();
    const answer: unknown = hooked.method.call(hooked.plugin, run.context as never);
    if (answer === pass) return done(run, hooked, pass, since);
    if (!(answer instanceof Promise)) return believed({ run, hooked, since, mode }, answer);
    if (since === 0) since = performance.now();
    return judgeLater({ run, hooked, since, mode }, answer);
  } catch (error) {
    return failed({ run, hooked, since, mode }, error);
  }
}

/** One plugin that is being asked, and has not simply passed. */
interface Asking<H extends JudgingHook> {
  readonly run: HookRun<H>;
  readonly hooked: HookedPlugin<H>;
  /** By performance.now(), where somebody wants to hear how long it takes, or it is waited for; else 0. */
  readonly since: number;
  /** A marker that cannot be read defers. */
  readonly mode: ModeAsked;
}

/** `log`: the check is tried out, and whatever it says stops nothing. Points: what it rejects counts so much. */
type ModeAsked = Exclude<CheckMode, 'off'>;

const isVerdict = (mode: Verdict | ModeAsked): mode is Verdict => typeof mode === 'object' && 'kind' in mode;

const rejected = skip('rejected already');
const off = skip('not enabled');

/** Why the plugin is not asked about the mail at all, or how it is asked. */
function howAsked<H extends JudgingHook>(running: Running<H>, hooked: HookedPlugin<H>): Verdict | ModeAsked {
  const { skipsSettled, switches } = hooked;
  const context = running.run.context as DataContext;
  if (skipsSettled) {
    running.settled ??= settledBy(context);
    if (running.settled !== pass) return running.settled;
  }
  if (switches === undefined) return 'on';
  running.checkModes ??= context.markers.checkModes(context.domain);
  const mode = modeOf(hooked, switches, running.checkModes);
  return mode === 'off' ? off : mode;
}

/** A pass where nothing is settled. */
function settledBy({ rejection, pardoned }: DataContext): Verdict {
  if (rejection !== undefined) return rejected;
  return pardoned === undefined ? pass : skip(pardoned);
}

function modeOf(
  { inAll, hasList }: HookedPlugin<JudgingHook>,
  switches: readonly string[],
  checkModes: ReturnType<Markers['checkModes']>,
): CheckMode {
  for (const marker of switches) {
    const mode = checkModes(marker, inAll);
    if (mode !== 'off') return mode;
  }
  return hasList ? 'on' : 'off';
}

async function judgeLater<H extends JudgingHook>(asking: Asking<H>, answer: Promise<unknown>): Promise<Verdict> {
  try {
    return believed(asking, await inTime(answer, asking));
  } catch (error) {
    return failed(asking, error);
  }
}

function believed<H extends JudgingHook>({ run, hooked, since, mode }: Asking<H>, answer: unknown): Verdict {
  let verdict: Verdict;
  try {
    verdict = believe(answer);
    if (verdict.kind === 'taken' && run.hook !== 'dataPost' && run.hook !== 'queue')
      throw new TypeError('returned a taken, and there is no mail to take yet');
  } catch (error) {
    throw error instanceof TypeError ? new TypeError(`${hooked.name}: ${hooked.methodName} ${error.message}`) : error;
  }
  return done(run, hooked, weighed(verdict, mode), since);
}

/** The plugin has answered. */
function done<H extends JudgingHook>(
  run: HookRun<H>,
  hooked: HookedPlugin<H>,
  verdict: Verdict,
  since: number,
): Verdict {
  measure(hooked, since);
  return told(run, hooked, verdict, since);
}

function weighed(verdict: Verdict, mode: ModeAsked): Verdict {
  if (mode === 'on') return verdict;
  return mode === 'log' ? tried(verdict) : scored(verdict, mode.points);
}

/** How long the plugin took, where that is counted. */
function measure({ meter }: HookedPlugin<JudgingHook>, since: number): void {
  if (since > 0) meter?.seconds.observe((performance.now() - since) / 1000);
}

/** A marker that holds the word `log`: the check is tried out, and stops nothing. */
function tried(verdict: Verdict): Verdict {
  switch (verdict.kind) {
    case 'reject':
    case 'refuse':
    case 'defer':
    case 'rewrite':
    case 'route':
    case 'taken':
      return note(`${triedOut}${verdict.kind}: ${verdict.log}`);
    case 'score':
      return note(`${triedOut}add ${verdict.points} points: ${verdict.log}`);
    default:
      return verdict;
  }
}

/** A marker that holds `score 2.5`: what the check would turn away counts so much. Other faults are no sign of spam. */
const scored = (verdict: Verdict, points: number): Verdict =>
  verdict.kind === 'reject' || verdict.kind === 'refuse' ? score(points, verdict.log) : verdict;

function failed<H extends JudgingHook>({ run, hooked, since, mode }: Asking<H>, error: unknown): Verdict {
  const problem = problemOf(error);
  measure(hooked, since);
  run.log().error({ plugin: hooked.name, hook: run.hook, why: problem }, 'error');
  run.plugins.hear?.({
    hook: run.hook,
    plugin: hooked.name,
    said: new Error(problem),
    ms: performance.now() - since,
  });
  const verdict = mode === 'log' ? pass : defer(localProblem.text, problem, localProblem);
  run.tell?.(hooked.name, verdict);
  return verdict;
}

/** What is thrown may be anything, and may throw when it is looked at. */
export function problemOf(error: unknown): string {
  try {
    return errorText(error);
  } catch {
    return 'threw a value that cannot be shown';
  }
}

async function inTime<T, H extends JudgingHook>(answer: Promise<T>, { run, hooked }: Asking<H>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let forget = (): void => {};
  const { timeoutMs = run.timeoutMs } = hooked;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`no verdict within ${timeoutMs} ms`)), timeoutMs);
    forget = whilePending(hooked.name, fail);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
    forget();
  }
}

/** Writes the plugin's line, and tells whoever listens. */
function told<H extends JudgingHook>(
  run: HookRun<H>,
  hooked: HookedPlugin<H>,
  verdict: Verdict,
  since: number,
): Verdict {
  logVerdict(run, hooked.name, verdict);
  if (verdict.kind === 'note' || verdict.kind === 'score') hooked.meter?.marks.add();
  if (verdict.kind !== 'skip') run.tell?.(hooked.name, verdict, since === 0 ? undefined : performance.now() - since);
  run.plugins.hear?.({ hook: run.hook, plugin: hooked.name, said: verdict, ms: performance.now() - since });
  return verdict;
}

function logVerdict<H extends JudgingHook>(run: HookRun<H>, plugin: string, verdict: Verdict): void {
  const { hook } = run;
  switch (verdict.kind) {
    case 'pass':
    case 'accept':
      if (run.debug) run.log().debug({ plugin, hook }, 'pass');
      return;
    case 'delay':
      if (run.debug) run.log().debug({ plugin, hook, ms: verdict.ms, why: verdict.log }, 'delay');
      return;
    case 'skip':
      if (run.debug) run.log().debug({ plugin, hook, why: verdict.why }, 'skip');
      return;
    case 'note':
      return run.log().info({ plugin, hook, why: verdict.log }, 'note');
    case 'score':
      return run.log().info({ plugin, hook, points: verdict.points, why: verdict.log }, 'score');
    case 'pardon':
    case 'rewrite':
    case 'route':
    case 'taken':
      return run.log().info({ plugin, hook, why: verdict.log }, 'pass');
    case 'reject':
    case 'refuse':
      return run.log().info({ plugin, hook, why: verdict.log }, 'fail');
    case 'defer':
      return run.log().info({ plugin, hook, why: verdict.log }, 'defer');
  }
}
