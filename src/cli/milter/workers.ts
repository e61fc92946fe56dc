/** The primary process of several milter workers: holds the socket, adds up their numbers. */
import type { Endpoint } from '../../milter/endpoint.js';
import { endpointText } from '../../milter/endpoint.js';
import { parseIp } from '../../mail/ip.js';
import { passedSocket, removeStale, setPermissions, socketProblem } from '../../milter/socket.js';
import { exit } from '../exit-codes.js';
import type { Child } from '../service/child.js';
import { type Failure, live, type Service } from '../service/life.js';
import { openPort, type Port } from '../service/ports.js';
import type { Account } from '../service/privileges.js';
import type { Signals } from '../service/signals.js';
import { Workers } from '../service/workers.js';
import { openMilterLog } from './log.js';
import type { FactLog } from '../service/fact-log.js';
import { permissionsOf } from './socket-permissions.js';
import type { ServiceConfig } from './service-config.js';
import { lasting, type Numbers, serveMetrics, sum } from './metrics.js';
import { announce, counting, reloading } from './process.js';
import { errorText } from '../../mail/error-text.js';

/** Runs until it is stopped, or until workers cannot even start; returns the exit code. */
export async function superviseMilter(config: ServiceConfig, signals: Signals): Promise<number> {
  const output = openMilterLog(config);
  const code = await live(new MilterPrimary(config, output.log), signals);
  await output.close();
  return code;
}

const closeMs = 1000;
/** Here a worker may be silent for so long. */
const silentMs = 15_000;

class MilterPrimary implements Service {
  readonly #config: ServiceConfig;
  readonly #log: FactLog;
  readonly #numbers = new WorkersNumbers();
  #port: Port | undefined;
  #workers: Workers | undefined;

  readonly account: Account;

  constructor(config: ServiceConfig, log: FactLog) {
    this.#config = config;
    this.account = { user: config.user, group: config.group };
    this.#log = log;
  }

  async open(): Promise<Failure | undefined> {
    const { socket, metrics } = this.#config;
    try {
      const permissions = permissionsOf(this.#config);
      if (typeof permissions === 'string') throw new Error(permissions);
      if (socket.kind === 'unix') await removeStale(socket.path);
      if (metrics) await serveMetrics(metrics, () => this.#numbers.collect(this.#workers?.all ?? []));
      this.#port = await portOf(socket);
      if (socket.kind === 'unix') await setPermissions(socket.path, permissions);
      return undefined;
    } catch (error) {
      return { code: exit.unavailable, problems: [errorText(error)] };
    }
  }

  async start(): Promise<Failure | undefined> {
    const { socket, workers: count } = this.#config;
    this.#workers = new Workers({
      count,
      program: { argv: process.argv.slice(2), ports: this.#port ? [this.#port] : [] },
      log: this.#log,
      silentMs: () => silentMs,
      started: () => {},
      ended: (worker) => this.#numbers.keep(worker),
    });
    const code = await this.#workers.ready;
    if (code !== undefined) return { code, problems: [] };
    announce(this.#log, boundAt(socket, this.#port));
    return undefined;
  }

  reload(): void {
    for (const { channel } of this.#workers?.all ?? []) channel.tell(reloading, undefined);
  }

  /** As a single process does. */
  reopen(): void {
    this.reload();
  }

  async close(): Promise<void> {
    this.#port?.close();
    await this.#workers?.stop(this.#config.stop_timeout + closeMs);
  }
}

async function portOf(socket: Endpoint): Promise<Port> {
  try {
    return await openPort(socket);
  } catch (error) {
    throw new Error(`${endpointText(socket)}: ${await socketProblem(socket, error)}`, { cause: error });
  }
}

function boundAt(socket: Endpoint, port: Port | undefined): Endpoint {
  if (socket.kind === 'fd') return passedSocket(socket.fd) ?? socket;
  const [, host = '', digits] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(port?.address ?? '') ?? [];
  if (socket.kind === 'unix' || digits === undefined) return socket;
  return { kind: 'tcp', host, port: Number(digits), family: parseIp(host)?.family ?? 4 };
}

const answerWithinMs = 500;

/** The sum of all workers, those that are gone too; who does not answer in time counts as it did last. */
class WorkersNumbers {
  readonly #latest = new Map<Child, Numbers>();
  #gone: Numbers = {};

  async collect(workers: readonly Child[]): Promise<Numbers> {
    await Promise.all(workers.map((worker) => this.#ask(worker)));
    return sum([this.#gone, ...this.#latest.values()]);
  }

  async #ask(worker: Child): Promise<void> {
    const otherwise = this.#latest.get(worker) ?? {};
    const numbers = await worker.channel.ask(counting, undefined, { withinMs: answerWithinMs, otherwise });
    if (!worker.isGone) this.#latest.set(worker, numbers);
  }

  keep(worker: Child): void {
    this.#gone = sum([this.#gone, lasting(this.#latest.get(worker) ?? {})]);
    this.#latest.delete(worker);
  }
}
