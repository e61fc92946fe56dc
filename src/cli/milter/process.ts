/**
 * One process of `postern milter`, from open socket to last session: the server, reload and stop. What filter it
 * serves, and how that is read anew, is the business of its policy's folder.
 */
import type { Eventual } from '../../mail/eventual.js';
import { errorText } from '../../mail/error-text.js';
import type { Problems, Result } from '../../mail/result.js';
import { type Endpoint, endpointText, smtpdMilters } from '../../milter/endpoint.js';
import type { Registry } from '../../metrics/registry.js';
import type { MilterObservation } from '../../milter/dialogue.js';
import type { MilterPolicy } from '../../milter/policy.js';
import { type MilterProblem, MilterServer } from '../../milter/server.js';
import { exit } from '../exit-codes.js';
import { version } from '../package-root.js';
import { ServiceNumbers } from '../metrics/service-numbers.js';
import { tellNumbers } from '../metrics/workers-numbers.js';
import { news } from '../service/channel.js';
import { leave } from '../service/child.js';
import { type Failure, live, type Service } from '../service/life.js';
import type { Signals } from '../service/signals.js';
import { isChild, WorkerSide } from '../service/worker-side.js';
import { openMilterLog } from './log.js';
import type { FactLog } from '../service/fact-log.js';
import { MilterCounts } from './metrics.js';
import type { ServiceConfig } from './service-config.js';
import { permissionsOf } from './socket-permissions.js';

/** A filter that a process serves. */
export interface ServedFilter<S, T> {
  readonly policy: MilterPolicy<S, T>;
  /** Reads it anew, and logs what came of it; answers nothing where the old one stays. */
  reload(): Eventual<MilterPolicy<S, T> | undefined>;
  /** It serves no more. */
  close?(): void;
}

/** What a filter is made with. */
export interface FilterTools {
  readonly log: FactLog;
  readonly counts: MilterCounts;
  /** For what it counts itself. */
  readonly registry: Registry;
  /** The worker that runs it; undefined where the process serves alone. */
  readonly side: WorkerSide | undefined;
}

export interface MilterRun<S, T> {
  readonly config: ServiceConfig;
  /** Makes the filter, in each process that serves. */
  readonly filter: (tools: FilterTools) => Eventual<Result<ServedFilter<S, T>, Problems>>;
  /** Tells of sessions and messages, where the filter does not do so itself. */
  readonly observe?: (tools: FilterTools) => (event: MilterObservation) => void;
}

/** A worker is to read its filter anew. */
export const reloading = news('reload');

/** Serves until it is stopped, alone or as one of several workers; returns the exit code. */
export async function runMilter<S, T>(run: MilterRun<S, T>, signals: Signals): Promise<number> {
  const output = openMilterLog(run.config);
  const side = isChild ? new WorkerSide(signals) : undefined;
  side?.channel.hear(leave, () => signals.stopFor('retired'));
  const service = new MilterService(run, { log: output.log, side });
  const code = await live(service, signals);
  await output.close();
  side?.close();
  return code;
}

class MilterService<S, T> implements Service {
  readonly #run: MilterRun<S, T>;
  readonly #numbers = new ServiceNumbers(() => (this.#bound ? [] : ['the socket is not open']));
  readonly #tools: FilterTools;
  readonly #sayLast: (() => void) | undefined;
  #filter: ServedFilter<S, T> | undefined;
  #server: MilterServer<S, T> | undefined;
  /** Where it listens, of a process that has opened its socket itself. */
  #bound: Endpoint | undefined;
  #reloading: Promise<void> = Promise.resolve();
  /** A worker is what its primary has become. */
  readonly account?: NonNullable<Service['account']>;

  constructor(run: MilterRun<S, T>, { log, side }: Pick<FilterTools, 'log' | 'side'>) {
    this.#run = run;
    const { registry } = this.#numbers;
    this.#tools = { log, side, registry, counts: new MilterCounts(registry) };
    if (!side) this.account = { user: run.config.user, group: run.config.group };
    this.#sayLast = side && tellNumbers(side.channel, () => registry.snapshot);
    side?.channel.hear(reloading, () => void this.#reloadInTurn());
  }

  async open(): Promise<Failure | undefined> {
    const made = await this.#run.filter(this.#tools);
    if (!made.ok) return { code: exit.config, problems: made.problem };
    this.#filter = made.value;
    const { log, counts, side } = this.#tools;
    const observe = this.#run.observe?.(this.#tools);
    this.#server = new MilterServer(made.value.policy, {
      idleMs: this.#run.config.idle_timeout,
      onProblem: (problem) => {
        counts.problem(problem.kind);
        logProblem(log, problem);
      },
      ...(observe && { observe }),
    });
    try {
      const problem = await this.#listen(this.#server);
      if (problem !== undefined) return unavailable(problem);
    } catch (error) {
      return unavailable(errorText(error));
    }
    side?.serves();
    return undefined;
  }

  /** What is wrong. A worker has its socket from the primary, which sees to the rest. */
  async #listen(server: MilterServer<S, T>): Promise<string | undefined> {
    const { side } = this.#tools;
    const { config } = this.#run;
    const [fd] = side?.portFds(1) ?? [];
    if (fd !== undefined) {
      if (config.metrics) this.#numbers.measureLag();
      await server.listen({ kind: 'fd', fd });
      return undefined;
    }
    await this.#numbers.open(config.metrics);
    const permissions = permissionsOf(config);
    if (typeof permissions === 'string') return permissions;
    this.#bound = await server.listen(config.socket, permissions);
    return undefined;
  }

  /** The log speaks only when rights are given up: it may start a process. */
  start(): Promise<undefined> {
    if (this.#bound) announce(this.#tools.log, this.#bound);
    return Promise.resolve(undefined);
  }

  /** A worker is told by its primary. */
  reload(): Promise<void> {
    return this.#tools.side ? Promise.resolve() : this.#reloadInTurn();
  }

  /** As spf-milter has it. */
  reopen(): void {
    void this.reload();
  }

  #reloadInTurn(): Promise<void> {
    this.#reloading = this.#reloading.then(async () => {
      const policy = await this.#filter?.reload();
      if (policy) this.#server?.setPolicy(policy);
    });
    return this.#reloading;
  }

  async close(why: string | undefined): Promise<void> {
    const { log } = this.#tools;
    if (why !== undefined) log.info({ signal: why }, 'stopping: running messages are finished');
    await this.#server?.stop(this.#run.config.stop_timeout);
    this.#sayLast?.();
    await this.#numbers.close();
    this.#filter?.close?.();
    if (why !== undefined) log.info({}, `postern ${version} shut down`);
  }
}

const unavailable = (problem: string): Failure => ({ code: exit.unavailable, problems: [problem] });

export function announce(log: FactLog, bound: Endpoint): void {
  log.info({ socket: endpointText(bound) }, `postern ${version} starting`);
  const lines = smtpdMilters(bound);
  if (lines) log.info({}, `for Postfix: ${lines.postfix}`);
  if (lines) log.info({}, `for Sendmail: ${lines.sendmail}`);
}

export function logProblem(log: FactLog, problem: MilterProblem): void {
  switch (problem.kind) {
    case 'protocol':
      return log.warn({}, `connection closed: the MTA broke the milter protocol: ${problem.text}`);
    case 'waiting':
      return log.warn({ connections: problem.connections }, 'connections wait: there are too many to serve at a time');
    case 'full':
      return log.error({ connections: problem.connections }, 'connection closed: there are too many');
    case 'handler':
      return log.error({ event: problem.event, problem: String(problem.error) }, 'a bug: tempfail is answered');
    case 'session':
    case 'listener':
      return log.error({ problem: String(problem.error) }, `a bug: ${problem.kind}`);
  }
}
