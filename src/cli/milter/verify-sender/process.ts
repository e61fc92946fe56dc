/** One process of `postern milter`, from open socket to last session: the server, its policy, reload and stop. */
import cluster from 'node:cluster';
import net from 'node:net';
import { Directory } from '../../../directory/directory.js';
import { cachingResolver } from '../../../dns/cache.js';
import { clientName } from '../../../dns/client-name.js';
import type { Resolver } from '../../../dns/resolver.js';
import { stubResolver } from '../../../dns/stub/stub-resolver.js';
import type { Logger } from '../../../log.js';
import { type Endpoint, endpointText, smtpdMilters } from '../../../milter/endpoint.js';
import { type MilterProblem, MilterServer } from '../../../milter/server.js';
import { joinSocket } from '../../../milter/socket.js';
import { type MailState, verifySender } from '../../../milter/verify-sender/verify-sender.js';
import type { HeloMemory } from '../../../milter/verify-sender/judge.js';
import type { VerifyTools } from '../../../milter/verify-sender/tools.js';
import { permissionsOf } from '../socket-permissions.js';
import { exit } from '../../exit-codes.js';
import { stopSignal } from '../../service/stop-signal.js';
import { changedForRestart, type LoadedConfig, type MilterConfig } from './config.js';
import { openMilterLog } from '../log.js';
import { Counters, type Numbers, serveMetrics } from './metrics.js';
import { notifySystemd } from '../../service/notify.js';
import { version } from '../../package-root.js';
import { saysServing } from '../../service/workers.js';
import { complain } from '../../complain.js';

export interface MilterProcessOptions {
  readonly config: MilterConfig;
  /** Where the configuration is read again, and how. */
  readonly file: string;
  readonly load: () => LoadedConfig;
}

/** Serves until TERM or INT; the exit code. */
export async function runMilter({ config, file, load }: MilterProcessOptions): Promise<number> {
  const output = openMilterLog(config);
  const milter = new RunningMilter(config, output.log);
  const stopped = stopSignal(); // who is told that it starts may stop it at once
  const problem = await milter.open();
  if (problem !== undefined) {
    complain([problem]);
    await output.close();
    return exit.unavailable;
  }
  const reload = (): void => milter.reload(load(), file);
  for (const signal of ['SIGHUP', 'SIGUSR1'] as const) process.on(signal, reload);
  saysServing();
  notifySystemd('READY=1');
  const signal = await stopped;
  notifySystemd('STOPPING=1');
  output.log.info({ signal }, 'stopping: running sessions are finished');
  await milter.stop();
  output.log.info({}, `postern ${version} shut down`);
  await output.close();
  return exit.ok;
}

/** What the primary process asks its workers, and what they answer. */
export type CountersQuestion = { readonly postern: 'counters'; readonly id: number };
export type CountersAnswer = CountersQuestion & { readonly numbers: Numbers };

class RunningMilter {
  readonly #log: Logger;
  readonly #counters = new Counters();
  readonly #server: MilterServer<HeloMemory, MailState>;
  #config: MilterConfig;
  #resolver: Resolver;
  #directory: Directory | undefined;
  #listener: net.Server | undefined;

  constructor(config: MilterConfig, log: Logger) {
    this.#config = config;
    this.#log = log;
    this.#resolver = this.#makeResolver(config);
    this.#directory = config.own_domains_ldap && new Directory(config.own_domains_ldap);
    this.#server = new MilterServer(verifySender(config, this.#tools()), {
      onProblem: (problem) => logProblem(log, problem),
    });
  }

  /** What is wrong, or undefined once it serves. */
  async open(): Promise<string | undefined> {
    const { socket, metrics } = this.#config;
    try {
      if (cluster.isWorker) return await this.#joinPrimary(socket);
      if (metrics) await serveMetrics(metrics, () => Promise.resolve(this.#counters.numbers));
      const permissions = permissionsOf(this.#config);
      if (typeof permissions === 'string') return permissions;
      const bound = await this.#server.listen(socket, permissions);
      announce(this.#log, bound);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** Through the primary process, which holds the socket for all workers. */
  async #joinPrimary(socket: Endpoint): Promise<undefined> {
    process.on('message', (question: CountersQuestion) => {
      if (question.postern !== 'counters') return;
      process.send?.({ ...question, numbers: this.#counters.numbers } satisfies CountersAnswer);
    });
    const listener = net.createServer({ noDelay: true }, (connection) => this.#server.accept(connection));
    await joinSocket(listener, socket);
    this.#listener = listener;
    return undefined;
  }

  reload(loaded: LoadedConfig, file: string): void {
    if (!loaded.ok) {
      for (const problem of loaded.problem)
        this.#log.error({}, `not reloaded, the old configuration stays: ${problem}`);
      return;
    }
    const old = this.#config;
    this.#config = loaded.value.config;
    if (
      loaded.value.config.dns_zone ||
      old.dns_zone ||
      String(old.dns_servers) !== String(loaded.value.config.dns_servers)
    )
      this.#resolver = this.#makeResolver(loaded.value.config);
    const { own_domains_ldap: directory } = loaded.value.config;
    this.#directory = directory && new Directory(directory); // the old one's connections close when they are idle
    this.#server.setPolicy(verifySender(loaded.value.config, this.#tools()));
    this.#log.info({}, `configuration reloaded from ${file}`);
    for (const name of changedForRestart(old, loaded.value.config))
      this.#log.warn({}, `parameter "${name}" changed, restart needed`);
  }

  async stop(): Promise<void> {
    this.#listener?.close();
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
