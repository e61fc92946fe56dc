/** The primary process of several milter workers: holds the socket, adds up their numbers. */
import type { Endpoint } from '../../milter/endpoint.js';
import { endpointText } from '../../milter/endpoint.js';
import { parseIp } from '../../mail/ip.js';
import { passedSocket, removeStale, setPermissions, socketProblem } from '../../milter/socket.js';
import { exit } from '../exit-codes.js';
import { ServiceNumbers } from '../metrics/service-numbers.js';
import { type Failure, live, type Service } from '../service/life.js';
import { openPort, type Port } from '../service/ports.js';
import type { Account } from '../service/privileges.js';
import type { Signals } from '../service/signals.js';
import { Workers } from '../service/workers.js';
import { openMilterLog } from './log.js';
import type { FactLog } from '../service/fact-log.js';
import { permissionsOf } from './socket-permissions.js';
import type { ServiceConfig } from './service-config.js';
import { announce, reloading } from './process.js';
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
  readonly #numbers = new ServiceNumbers(() => this.#unready);
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
      await this.#numbers.open(metrics);
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
      started: (worker) => this.#numbers.workers.started(worker, `${worker.number}`),
      ended: (worker) => this.#numbers.workers.ended(worker),
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

  get #unready(): readonly string[] {
    return (this.#workers?.all ?? []).some(({ isServing }) => isServing) ? [] : ['no worker takes sessions'];
  }

  async close(): Promise<void> {
    this.#port?.close();
    await Promise.all([this.#workers?.stop(this.#config.stop_timeout + closeMs), this.#numbers.close()]);
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
