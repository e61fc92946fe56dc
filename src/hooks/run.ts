/**
 * One hook through the ordered plugins. The only place that catches what a plugin throws: it becomes `defer`, as does an
 * answer that does not come in time. One log line a plugin.
 */
import { type Reply, localProblem } from '../mail/reply.js';
import { type Pardon, type Rejection, type Verdict, defer, pass } from '../mail/verdict.js';
import type { DataContext, Plugin } from './plugin.js';

export type Hook = 'connect' | 'helo' | 'mail' | 'rcpt' | 'dataPost' | 'queue' | 'unknownCommand';

/** `stop`: this reply is due now, and nothing further is asked. */
export type HookOutcome =
  | { readonly kind: 'go on' }
  | { readonly kind: 'stop'; readonly plugin: string; readonly reply: Reply; readonly log: string };

type Objections = { readonly plugin: string; readonly verdict: Rejection | Pardon };

export interface HookLog {
  debug(details: object, text: string): void;
  info(details: object, text: string): void;
  error(details: object, text: string): void;
}

export interface HookRun<C> {
  readonly hook: Hook;
  readonly plugins: readonly Plugin[];
  /** Asked for each plugin, which has to see what those before it said. */
  readonly context: () => C;
  readonly log: HookLog;
  readonly timeoutMs: number;
  /** Told of each rejection and pardon, in order. */
  readonly note: (said: Objections) => void;
}

const goOn: HookOutcome = { kind: 'go on' };

/** Asks the plugins that have this hook, one after the other, until one settles it. Never throws. */
export async function runHook<C>(run: HookRun<C>): Promise<HookOutcome> {
  for (const plugin of run.plugins) {
    const method = plugin[run.hook] as HookMethod<C> | undefined;
    if (method === undefined) continue;
    // Most answer at once: waiting all the same would cost a mail a hundred promises.
    const judged = judge(run, plugin, method);
    const verdict = judged instanceof Promise ? await judged : judged;
    switch (verdict.kind) {
      case 'pass':
      case 'skip':
      case 'note':
        break;
      case 'reject':
      case 'pardon':
        run.note({ plugin: plugin.name, verdict });
        break;
      case 'accept':
        return goOn;
      case 'refuse':
      case 'defer':
        return { kind: 'stop', plugin: plugin.name, reply: verdict.reply, log: verdict.log };
    }
  }
  return goOn;
}

type HookMethod<C> = (this: Plugin, context: C) => Verdict | Promise<Verdict>;

function judge<C>(run: HookRun<C>, plugin: Plugin, method: HookMethod<C>): Verdict | Promise<Verdict> {
  try {
    const answer = method.call(plugin, run.context());
    return answer instanceof Promise ? judgeLater(run, plugin, answer) : believed(run, plugin, answer);
  } catch (error) {
    return failed(run, plugin, error);
  }
}

async function judgeLater<C>(run: HookRun<C>, plugin: Plugin, answer: Promise<Verdict>): Promise<Verdict> {
  try {
    return believed(run, plugin, await inTime(answer, run.timeoutMs));
  } catch (error) {
    return failed(run, plugin, error);
  }
}

function believed<C>(run: HookRun<C>, plugin: Plugin, verdict: Verdict): Verdict {
  if (!isVerdict(verdict)) throw new TypeError(`no verdict: ${JSON.stringify(verdict)}`);
  logVerdict(run, plugin, verdict);
  return verdict;
}

function failed<C>(run: HookRun<C>, plugin: Plugin, error: unknown): Verdict {
  const problem = error instanceof Error ? error.message : String(error);
  run.log.error({ plugin: plugin.name, hook: run.hook, why: problem }, 'error');
  return isTrial(run, plugin) ? pass : defer(localProblem.text, problem, localProblem);
}

/** Of a check that is tried out, which has data hooks alone. A marker that cannot be read defers. */
function isTrial<C>({ hook, context }: HookRun<C>, plugin: Plugin): boolean {
  try {
    return hook === 'dataPost' && plugin.isTrial?.(context() as DataContext) === true;
  } catch {
    return false;
  }
}

const isText = (value: unknown): boolean => typeof value === 'string';

/** Neither may let a mail vanish behind a 250. */
const isRefusal = (value: unknown): boolean =>
  isRecord(value) && Number(value['code']) >= 400 && Number(value['code']) < 600;

/** What a verdict has beside its kind. */
const parts: { readonly [K in Verdict['kind']]: Readonly<Record<string, (value: unknown) => boolean>> } = {
  pass: {},
  skip: {},
  note: { log: isText },
  accept: {},
  reject: {
    about: (value) => value === 'recipient' || value === 'mail',
    enhanced: isText,
    reason: isText,
    log: isText,
  },
  pardon: { lifts: (value) => value === 'mail' || value === 'all', log: isText },
  refuse: { reply: isRefusal, log: isText },
  defer: { reply: isRefusal, log: isText },
};

/** Third parties write plugins without a compiler: what they return is looked at. */
function isVerdict(value: unknown): value is Verdict {
  if (!isRecord(value) || typeof value['kind'] !== 'string' || !Object.hasOwn(parts, value['kind'])) return false;
  return Object.entries(parts[value['kind'] as Verdict['kind']]).every(([name, fits]) => fits(value[name]));
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

async function inTime<T>(answer: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`no verdict within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

function logVerdict<C>(run: HookRun<C>, plugin: Plugin, verdict: Verdict): void {
  const details = { plugin: plugin.name, hook: run.hook };
  switch (verdict.kind) {
    case 'pass':
    case 'accept':
      return run.log.debug(details, 'pass');
    case 'skip':
      return run.log.debug({ ...details, why: verdict.why }, 'skip');
    case 'note':
      return run.log.info({ ...details, why: verdict.log }, 'note');
    case 'pardon':
      return run.log.info({ ...details, why: verdict.log }, 'pass');
    case 'reject':
    case 'refuse':
      return run.log.info({ ...details, why: verdict.log }, 'fail');
    case 'defer':
      return run.log.info({ ...details, why: verdict.log }, 'defer');
  }
}
