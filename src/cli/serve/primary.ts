/**
 * The first process of `postern serve`: opens the ports, becomes `user`, keeps the workers, the page and what ships to
 * the catalog, counts connections, has the embedded store, passes on what the MTA refused, expires the quarantine. It
 * reads no octet of a stranger's.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../../log.js';
import type { Certificate } from '../../smtp/server.js';
import { listenTarget, type ListenEndpoint, webEndpoint, writeListenEndpoint } from '../../settings/mail-kinds.js';
import type { Settings } from '../../settings/settings.js';
import { exit } from '../exit-codes.js';
import { type CommandLine, load } from '../load.js';
import { readCertificates, withHeld } from '../service/certificates.js';
import { GateMonitor } from '../metrics/gate-monitor.js';
import { type Child, rotated } from '../service/child.js';
import { expireAndTell, expireHourly } from '../service/expiring.js';
import { handedOver } from '../service/handed-over.js';
import type { Failure, Service } from '../service/life.js';
import { listenProblem } from '../service/listen-problem.js';
import { openPort, type Port } from '../service/ports.js';
import { Workers } from '../service/workers.js';
import { embeddedOf, makeFolder, quarantineOf } from '../wire.js';
import { type PageChild, startPage } from './page.js';
import { Shipping } from './shipping.js';
import { DsnWatch } from './dsn-watch.js';
import { surveyAside } from './survey-aside.js';
import { TicketKeys } from './ticket-keys.js';
import { countForWorkers, maxOf } from './worker-limits.js';
import { listing, orders, reloading } from './worker-orders.js';
import { passOnRefusals } from './worker-refusals.js';
import { storeForWorkers } from './worker-store.js';

export interface PrimaryOptions {
  readonly command: CommandLine;
  readonly settings: Settings;
  readonly log: Logger;
}

/** Beyond `stop_timeout` a worker has so long to close what it has. */
const closeMs = 1000;
const reloadWithinMs = 30_000;
const listWithinMs = 30_000;

export class Primary implements Service {
  readonly account: Settings;
  readonly #command: CommandLine;
  readonly #log: Logger;
  #settings: Settings;
  #certificates: readonly Certificate[] = [];
  #ports: readonly Port[] = [];
  #pagePort: Port | undefined;
  #page: PageChild | undefined;
  #shipping: Shipping | undefined;
  #workers: Workers | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #endSurvey: () => void = () => {};
  readonly #monitor: GateMonitor;
  readonly #limits = countForWorkers(() => maxOf(this.#settings));
  readonly #ticketKeys = new TicketKeys(() => this.#workers?.all ?? []);
  readonly #dsn = new DsnWatch({ settings: () => this.#settings, workers: () => this.#workers?.all ?? [] });
  readonly #store = storeForWorkers(() => embeddedOf(this.#settings, this.#log));

  constructor({ command, settings, log }: PrimaryOptions) {
    this.account = settings;
    this.#command = command;
    this.#settings = settings;
    this.#log = log;
    this.#monitor = new GateMonitor({
      settings: () => this.#settings,
      log,
      isServing: () => (this.#workers?.all ?? []).some(({ isServing, isGone }) => isServing && !isGone),
    });
  }

  /** The page's address, once it is up; undefined where there is none. */
  get pageUrl(): Promise<string | undefined> {
    return this.#page?.url ?? Promise.resolve(undefined);
  }

  /** Where mail is taken. */
  get bound(): readonly string[] {
    return this.#ports.map(({ address, fd }) => address ?? `fd:${fd}`);
  }

  async open(): Promise<Failure | undefined> {
    const settings = this.#settings;
    const { certificates, problems: unread } = readCertificates(settings);
    const problems = [
      makeFolder('state', join(settings.state, 'spool'), settings),
      makeFolder('spam', settings.spam, settings),
      ...(certificates.length > 0 ? [] : unread.map(({ problem }) => problem)),
    ].filter((problem) => problem !== undefined);
    if (problems.length > 0) return { code: exit.config, problems };
    for (const { problem } of unread) this.#log.error({ problem }, 'certificate not read');
    this.#certificates = certificates;
    this.#pagePort = await this.#openPage();
    await this.#monitor.use();
    return this.#openPorts(endpointsOf(settings));
  }

  async start(): Promise<Failure | undefined> {
    const log = this.#log;
    const argv = process.argv.slice(3); // as they were given: secrets are taken out of `command`
    if (process.getuid?.() === 0) log.warn({}, 'running as root: set "user", or let systemd start it as another user');
    if (this.#pagePort) this.#page = startPage({ argv, port: this.#pagePort, log, numbers: this.#monitor.workers });
    const workers = new Workers({
      count: countOf(this.#settings),
      program: { argv: ['serve', ...argv], ports: this.#ports },
      log,
      silentMs: () => this.#settings.watchdog,
      started: (worker) => this.#serve(worker),
      ended: (worker) => this.#forget(worker),
      replaced: this.#monitor.replaced,
    });
    this.#workers = workers;
    const code = await workers.ready;
    if (code !== undefined) return { code, problems: [] };
    this.#shipping = new Shipping(argv, log, this.#monitor.workers);
    await this.#shipping.use(this.#settings);
    this.#expiry = expireHourly(() => quarantineOf(this.#settings), log);
    void expireAndTell(quarantineOf(this.#settings), log);
    void this.#survey();
    return undefined;
  }

  /** Answers a worker's questions. */
  #serve(worker: Child): void {
    worker.channel.answer(orders, () => ({
      settings: this.#settings,
      ports: this.#ports.length,
      certificates: this.#certificates.map(({ name, cert, key }) => ({
        name,
        cert: cert.toString('latin1'),
        key: key.toString('latin1'),
      })),
      ticketKeys: this.#ticketKeys.current,
    }));
    this.#limits.answer(worker);
    this.#monitor.workers.started(worker, `${worker.number}`);
    this.#store.answer(worker);
    passOnRefusals(worker, () => this.#workers?.all ?? []);
    this.#dsn.serve(worker);
  }

  #forget(worker: Child): void {
    this.#limits.forget(worker);
    this.#monitor.workers.ended(worker);
  }

  /** Where something is wrong, the old settings stay. */
  async reload(): Promise<void> {
    const loaded = load(this.#command);
    if (!loaded.ok) return this.#log.error({ problems: loaded.problem }, 'not reloaded: the old settings stay');
    const { settings } = loaded.value;
    const asked = (this.#workers?.all ?? []).map(({ channel }) =>
      channel.ask(reloading, settings, { withinMs: reloadWithinMs, otherwise: false }),
    );
    if (!(await Promise.all(asked)).includes(true)) return;
    this.#settings = settings;
    await this.#monitor.use();
    this.#certificates = withHeld(readCertificates(settings), this.#certificates, settings.hostname);
    this.#page?.reload(settings);
    await this.#shipping?.use(settings);
    void this.#survey();
  }

  /** Each reload says once more which entries of /srv do nothing. */
  async #survey(): Promise<void> {
    const [worker] = this.#workers?.all ?? [];
    const plugins = await worker?.channel.ask(listing, undefined, { withinMs: listWithinMs, otherwise: [] });
    if (plugins === undefined || plugins.length === 0) return;
    this.#endSurvey();
    this.#endSurvey = surveyAside(this.#settings, plugins, {
      log: this.#log,
      heard: (destinations) => this.#dsn.use(destinations),
    });
  }

  reopen(): void {
    for (const { channel } of this.#workers?.all ?? []) channel.tell(rotated, undefined);
    this.#page?.reopen();
    this.#shipping?.reopen();
  }

  async close(): Promise<void> {
    clearInterval(this.#expiry);
    this.#endSurvey();
    this.#dsn.close();
    this.#ticketKeys.close();
    for (const port of [...this.#ports, ...(this.#pagePort ? [this.#pagePort] : [])]) port.close();
    await Promise.all([
      this.#workers?.stop(this.#settings.stop_timeout + closeMs),
      this.#page?.stop(closeMs),
      this.#shipping?.stop(closeMs),
      this.#monitor.close(),
    ]);
    await this.#store.close();
  }

  async #openPorts(endpoints: readonly ListenEndpoint[]): Promise<Failure | undefined> {
    const ports: Port[] = [];
    this.#ports = ports;
    for (const endpoint of endpoints) {
      try {
        ports.push(await openPort(listenTarget(endpoint, endpoints)));
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code === 'EACCES' ? exit.noPermission : exit.unavailable;
        return { code, problems: [`listen = ${writeListenEndpoint(endpoint)}: ${listenProblem(error)}`] };
      }
    }
    return undefined;
  }

  /** Where the page's port cannot be opened, mail is taken all the same. */
  async #openPage(): Promise<Port | undefined> {
    const { web } = this.#settings;
    if (web === undefined) return undefined;
    try {
      return await openPort(web);
    } catch (error) {
      const problem = `web = ${webEndpoint.write(web)}: ${listenProblem(error)}`;
      this.#log.error({ problem }, 'the quarantine page cannot be opened');
      return undefined;
    }
  }
}

/** Sockets that were handed over take the place of `listen`. */
function endpointsOf({ listen }: Settings): readonly ListenEndpoint[] {
  const given = handedOver();
  return given.length > 0 && listen.every(({ kind }) => kind !== 'fd')
    ? given.map((fd) => ({ kind: 'fd', fd }))
    : listen;
}

const countOf = ({ workers }: Settings): number => (workers === 'auto' ? availableParallelism() : workers);
