/** One process of `postern milter`, from open socket to last session: the server, its policy, reload and stop. */
import { Directory } from '../../../directory/directory.js';
import { cachingResolver } from '../../../dns/cache.js';
import { clientName } from '../../../dns/client-name.js';
import type { Resolver } from '../../../dns/resolver.js';
import { stubResolver } from '../../../dns/stub/stub-resolver.js';
import type { Logger } from '../../../log.js';
import { type Endpoint, endpointText, smtpdMilters } from '../../../milter/endpoint.js';
import { type MilterProblem, MilterServer } from '../../../milter/server.js';
import { type MailState, verifySender } from '../../../milter/verify-sender/verify-sender.js';
import type { HeloMemory } from '../../../milter/verify-sender/judge.js';
import type { VerifyTools } from '../../../milter/verify-sender/tools.js';
import { permissionsOf } from '../socket-permissions.js';
import { exit } from '../../exit-codes.js';
import { live } from '../../service/life.js';
import type { Signals } from '../../service/signals.js';
import { isChild, WorkerSide } from '../../service/worker-side.js';
import { news, question } from '../../service/channel.js';
import { changedForRestart, type LoadedConfig, type MilterConfig } from './config.js';
import { openMilterLog } from '../log.js';
import { Counters, type Numbers, serveMetrics } from './metrics.js';
import { version } from '../../package-root.js';
import { errorText } from '../../../mail/error-text.js';

export interface MilterProcessOptions {
  readonly config: MilterConfig;
  /** Where the configuration is read again, and how. */
  readonly file: string;
  readonly load: () => LoadedConfig;
}

/** A worker is to read the configuration again. */
export const reloading = news('reload');
/** What a worker has counted. */
export const counting = question<undefined, Numbers>('counters');

/** Serves until it is stopped, alone or as one of several workers; returns the exit code. */
export async function runMilter({ config, file, load }: MilterProcessOptions, signals: Signals): Promise<number> {
  const output = openMilterLog(config);
  const side = isChild ? new WorkerSide(signals) : undefined;
  const milter = new RunningMilter(config, output.log);
  const reload = (): void => milter.reload(load(), file);
  if (side) {
    side.channel.answer(counting, () => milter.numbers);
    side.channel.hear(reloading, reload);
  }
  const code = await live(
    {
      async open() {
        const problem = await milter.open(side?.portFds(1)[0]);
        if (problem !== undefined) return { code: exit.unavailable, problems: [problem] };
        side?.serves();
        return undefined;
      },
      ...(!side && { account: { user: config.user, group: config.group } }),
      start() {
        milter.announce();
        return Promise.resolve(undefined);
      },
      reload: side ? () => {} : reload,
      reopen: side ? () => {} : reload,
      async close(why) {
        if (why !== undefined) output.log.info({ signal: why }, 'stopping: running messages are finished');
        await milter.stop();
        if (why !== undefined) output.log.info({}, `postern ${version} shut down`);
        await output.close();
      },
    },
    signals,
  );
  side?.close();
  return code;
}

class RunningMilter {
  readonly #log: Logger;
  readonly #counters = new Counters();
  readonly #server: MilterServer<HeloMemory, MailState>;
  #config: MilterConfig;
  #resolver: Resolver;
  #directory: Directory | undefined;
  /** Where it listens, of a process that has opened its socket itself. */
  #bound: Endpoint | undefined;

  constructor(config: MilterConfig, log: Logger) {
    this.#config = config;
    this.#log = log;
    this.#resolver = this.#makeResolver(config);
    this.#directory = config.own_domains_ldap && new Directory(config.own_domains_ldap);
    this.#server = new MilterServer(verifySender(config, this.#tools()), {
      idleMs: config.idle_timeout,
      onProblem: (problem) => logProblem(log, problem),
    });
  }

  get numbers(): Numbers {
    return this.#counters.numbers;
  }

  /** What is wrong, or undefined once it serves; `fd`: a worker's, from the primary, which sees to the rest. */
  async open(fd: number | undefined): Promise<string | undefined> {
    const { socket, metrics } = this.#config;
    try {
      if (fd !== undefined) {
        await this.#server.listen({ kind: 'fd', fd });
        return undefined;
      }
      if (metrics) await serveMetrics(metrics, () => Promise.resolve(this.#counters.numbers));
      const permissions = permissionsOf(this.#config);
      if (typeof permissions === 'string') return permissions;
      this.#bound = await this.#server.listen(socket, permissions);
      return undefined;
    } catch (error) {
      return errorText(error);
    }
  }

  /** Not before rights are given up: the log may start a process. */
  announce(): void {
    if (this.#bound) announce(this.#log, this.#bound);
  }

  reload(loaded: LoadedConfig, file: string): void {
    if (!loaded.ok) {
      for (const problem of loaded.problem)
        this.#log.error({}, `not reloaded, the old configuration stays: ${problem}`);
      return;
    }
    const old = this.#config;
    this.#config = loaded.value.config;
    this.#resolver = this.#makeResolver(loaded.value.config);
    const { own_domains_ldap: directory } = loaded.value.config;
    this.#directory = directory && new Directory(directory); // the old one's connections close when they are idle
    this.#server.setPolicy(verifySender(loaded.value.config, this.#tools()));
    this.#log.info({}, `configuration reloaded from ${file}`);
    for (const name of changedForRestart(old, loaded.value.config))
      this.#log.warn({}, `parameter "${name}" changed, restart needed`);
  }

  async stop(): Promise<void> {
    await this.#server.stop(this.#config.stop_timeout);
  }

  #makeResolver({ dns_servers, dns_zone }: MilterConfig): Resolver {
    if (dns_zone) return dns_zone;
    const stub = stubResolver(dns_servers.length > 0 ? { servers: dns_servers } : {});
    return cachingResolver(this.#counters.measured(stub));
  }

  #tools(): VerifyTools {
    const resolver = this.#resolver;
    return {
      resolver,
      clientName: async (ip, signal) => {
        const found = await clientName(resolver, ip, { signal });
        return found.kind === 'confirmed' ? found.name : undefined;
      },
      directory: this.#directory,
      log: this.#log,
      observe: this.#counters.observe,
      now: Date.now,
      trace: this.#log.isLevelEnabled('debug'),
    };
  }
}

export function announce(log: Logger, bound: Endpoint): void {
  log.info({ socket: endpointText(bound) }, `postern ${version} starting`);
  const lines = smtpdMilters(bound);
  if (lines) log.info({}, `for Postfix: ${lines.postfix}`);
  if (lines) log.info({}, `for Sendmail: ${lines.sendmail}`);
}

export function logProblem(log: Logger, problem: MilterProblem): void {
  switch (problem.kind) {
    case 'protocol':
      return log.warn({}, `connection closed: the MTA broke the milter protocol: ${problem.text}`);
    case 'full':
      return log.error({ connections: problem.connections }, 'connection closed: there are too many');
    case 'handler':
      return log.error({ event: problem.event, problem: String(problem.error) }, 'a bug: tempfail is answered');
    case 'session':
    case 'listener':
      return log.error({ problem: String(problem.error) }, `a bug: ${problem.kind}`);
  }
}
