/**
 * One worker of `postern serve`, from its orders to its last transaction: it listens on the ports that the primary
 * opened, and reads settings, plugins and certificates anew when it is told.
 */
import { createLogger, type Logger } from '../../log.js';
import { closePlugins } from '../../hooks/close.js';
import { consoleToLog } from '../../hooks/plugin-console.js';
import type { Plugin } from '../../hooks/plugin.js';
import type { Settings } from '../../settings/settings.js';
import { type ConnectionLimits, LocalLimits } from '../../smtp/limits.js';
import { GateMetrics } from '../../metrics/gate.js';
import { type Certificate, Listener } from '../../smtp/server.js';
import type { Services } from '../../smtp/services.js';
import { failed } from '../complain.js';
import { exit } from '../exit-codes.js';
import { readCertificates, type ReadCertificates, watchCertificates, withHeld } from '../service/certificates.js';
import { leave, retiring } from '../service/child.js';
import type { Failure, Service } from '../service/life.js';
import { listenProblem } from '../service/listen-problem.js';
import { live } from '../service/life.js';
import type { Signals } from '../service/signals.js';
import { WorkerSide } from '../service/worker-side.js';
import { WorkerNumbers } from '../metrics/worker-numbers.js';
import { changed, type SharedParts, tellReloaded, wire } from '../wire.js';
import { dsnOfPrimary } from './dsn-watch.js';
import { hearTicketKeys } from './ticket-keys.js';
import { maxOf, primaryLimits } from './worker-limits.js';
import { listing, type Orders, orders, reloading } from './worker-orders.js';
import { sharedRefusals } from './worker-refusals.js';
import { primaryStore } from './worker-store.js';
import { keepAlive, outliveLateMistakes } from '../service/late-mistakes.js';
import { watchLoop } from './watcher.js';

const ordersWithinMs = 10_000;
/** After its stop a worker has so long to close what it has; the primary would kill it a little later. */
const endMs = 800;

/** Ends the process after so long, even where no primary is left to kill it. */
function endInAnyCase(mayEnd: () => void, ms: number): void {
  setTimeout(() => {
    mayEnd();
    process.exit(exit.software);
  }, ms).unref();
}

/** Serves until it is stopped; returns the exit code. */
export async function runWorker(signals: Signals): Promise<number> {
  const side = new WorkerSide(signals);
  const given = await side.channel.ask(orders, undefined, { withinMs: ordersWithinMs, otherwise: undefined });
  if (given === undefined) return signals.isStopping ? exit.ok : failed(exit.software, ['the primary does not answer']);
  const log = createLogger(given.settings);
  consoleToLog(log);
  const worker = new Worker(given, { side, signals, log });
  outliveLateMistakes(log, () => side.channel.tell(retiring, undefined));
  const mayEnd = keepAlive();
  void signals.stop.then(() => endInAnyCase(mayEnd, worker.stopMs + endMs));
  const code = await live(worker, signals);
  mayEnd();
  side.close();
  return code;
}

interface WorkerParts {
  readonly side: WorkerSide;
  readonly signals: Signals;
  readonly log: Logger;
}

class Worker implements Service {
  readonly #orders: Orders;
  readonly #side: WorkerSide;
  readonly #log: Logger;
  readonly #shared: SharedParts;
  readonly #metrics = new GateMetrics();
  readonly #numbers: WorkerNumbers;
  #listener: Listener | undefined;
  #certificates: readonly Certificate[] = [];
  #unwatch: () => void = () => {};
  #reloading: Promise<unknown> = Promise.resolve();
  #isRetired = false;
  /** What sessions of before a reload may still use. */
  readonly #retiring = new Set<Services>();

  constructor(given: Orders, { side, signals, log }: WorkerParts) {
    this.#orders = given;
    this.#side = side;
    this.#log = log;
    this.#shared = {
      store: () => primaryStore(side.channel),
      refusals: (own) => sharedRefusals(side.channel, own),
      dsn: dsnOfPrimary(side.channel),
    };
    this.#numbers = new WorkerNumbers(this.#metrics, {
      channel: side.channel,
      listener: () => this.#listener,
    });
    side.channel.hear(leave, () => {
      this.#isRetired = true;
      signals.stopFor('retired');
    });
    side.channel.answer(listing, () =>
      (this.#listener?.services.plugins.listed ?? []).map(({ name, inAll, list }) => ({
        name,
        ...(inAll !== undefined && { inAll }),
        ...(list !== undefined && { list }),
      })),
    );
    side.channel.answer(reloading, (settings) => this.#reloadInTurn(settings));
  }

  /**
   * A worker that retires because of a plugin has time: nobody waits for it, so each of its sessions may come to its
   * end.
   */
  get stopMs(): number {
    const { stop_timeout, session_timeout, data_timeout } = this.#listener?.services.settings ?? this.#orders.settings;
    return this.#isRetired ? session_timeout + data_timeout : stop_timeout;
  }

  async open(): Promise<Failure | undefined> {
    const { settings } = this.#orders;
    const [wired] = await Promise.all([
      wire(settings, this.#log, { shared: this.#shared, metrics: this.#metrics }),
      watchLoop(),
    ]);
    if (!wired.ok) return { code: exit.config, problems: wired.problem };
    this.#certificates = certificatesOf(this.#orders);
    const listener = new Listener(wired.value, this.#limits(settings), this.#certificates);
    this.#listener = listener;
    this.#numbers.use(settings);
    this.#numbers.certificates(this.#certificates);
    listener.useTicketKeys(Buffer.from(this.#orders.ticketKeys, 'base64'));
    hearTicketKeys(this.#side.channel, (keys) => listener.useTicketKeys(keys));
    this.#watchCertificates(settings);
    return undefined;
  }

  async start(): Promise<Failure | undefined> {
    const listener = this.#listener;
    if (listener === undefined) return undefined;
    const listen: string[] = [];
    for (const fd of this.#side.portFds(this.#orders.ports)) {
      try {
        listen.push(await listener.open({ fd }));
      } catch (error) {
        return { code: exit.unavailable, problems: [`listen: ${listenProblem(error)}`] };
      }
    }
    this.#log.info({ listen, tls: listener.hasCertificate }, 'listening');
    this.#side.serves();
    return undefined;
  }

  async close(why: string | undefined): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#log.info({ signal: why }, 'stopping: running transactions are finished');
    this.#unwatch();
    await this.#reloading;
    await listener.stop(this.stopMs);
    await this.#closePlugins(listener.services);
    const { relay, quarantine, content, store, journal } = listener.services;
    journal?.close();
    await Promise.all([relay.close(), quarantine.close(), content.close(), store.close()]);
    this.#numbers.sayLast();
    this.#log.info({}, 'stopped');
  }

  /** One worker counts by itself: asking another process costs more than the count. */
  #limits(settings: Settings): ConnectionLimits {
    if (settings.workers !== 1) return primaryLimits(this.#side.channel);
    return new LocalLimits(() => maxOf(this.#listener?.services.settings ?? settings));
  }

  #reloadInTurn(settings: Settings): Promise<boolean> {
    const reloaded = this.#reloading.then(() => this.#reload(settings));
    this.#reloading = reloaded;
    return reloaded;
  }

  /** Reads settings, plugins and certificates anew; where something is wrong, the old ones stay. */
  async #reload(settings: Settings): Promise<boolean> {
    const log = this.#log;
    const listener = this.#listener;
    if (listener === undefined) return false;
    const old = listener.services;
    const wired = await wire(settings, log, { kept: old, shared: this.#shared, metrics: this.#metrics });
    if (!wired.ok) {
      log.error({ problems: wired.problem }, 'not reloaded: the old settings stay');
      return false;
    }
    listener.services = wired.value;
    this.#numbers.use(settings);
    this.#retire(old, wired.value);
    this.#renewCertificates();
    tellReloaded(log, changed(this.#orders.settings, settings, needRestart));
    return true;
  }

  /** Running sessions keep what they began with, so it is closed when none of them can be left. */
  #retire(old: Services, now: Services): void {
    const { session_timeout, data_timeout } = old.settings;
    this.#retiring.add(old);
    const close = (): void => {
      if (!this.#retiring.delete(old)) return;
      void closePlugins(old, this.#pluginsInUse());
      if (old.relay !== now.relay) void old.relay.close();
      if (old.quarantine !== now.quarantine) void old.quarantine.close();
      if (old.store !== now.store) void old.store.close();
    };
    setTimeout(close, session_timeout + data_timeout).unref();
  }

  #pluginsInUse(): readonly Plugin[] {
    const current = this.#listener ? [this.#listener.services] : [];
    return [...this.#retiring, ...current].flatMap(({ plugins }) => plugins.listed);
  }

  /** Each once, though several settings may have it. */
  async #closePlugins(current: Services): Promise<void> {
    const all = [...this.#retiring, current];
    this.#retiring.clear();
    const laterOnes = (i: number): readonly Plugin[] => all.slice(i + 1).flatMap(({ plugins }) => plugins.listed);
    await Promise.all(all.map((services, i) => closePlugins(services, laterOnes(i))));
  }

  #watchCertificates(settings: Settings): void {
    this.#unwatch();
    this.#unwatch = watchCertificates(settings, () => this.#renewCertificates());
  }

  /** What cannot be read stays as it was. */
  #renewCertificates(): void {
    const log = this.#log;
    const listener = this.#listener;
    if (listener === undefined) return;
    const { settings } = listener.services;
    this.#watchCertificates(settings); // others may have come
    const read = readCertificates(settings);
    for (const { problem } of read.problems) log.error({ problem }, 'certificate not renewed: the old one stays');
    const certificates = withHeld(read, this.#certificates, settings.hostname);
    if (read.certificates.length === 0 || certificates.length === 0) return;
    this.#certificates = certificates;
    listener.useCertificates(certificates);
    this.#numbers.certificates(certificates);
    log.info({ certificates: certificates.map(({ name }) => name) }, 'certificate read');
  }
}

/** Returns the certificates as they are on disk now, or as the primary read them where the worker may not. */
function certificatesOf({ settings, certificates }: Orders): readonly Certificate[] {
  const given = certificates.map(({ name, cert, key }) => ({
    name,
    cert: Buffer.from(cert, 'latin1'),
    key: Buffer.from(key, 'latin1'),
  }));
  return withHeld(wholeFolder(readCertificates(settings), given), given, settings.hostname);
}

/** Where the worker may not even look into the folder, all that was given is held. */
const wholeFolder = (read: ReadCertificates, given: readonly Certificate[]): ReadCertificates =>
  read.certificates.length > 0 ? read : { ...read, problems: given.map(({ name }) => ({ name, problem: '' })) };

const needRestart = [
  'listen',
  'state',
  'workers',
  'web',
  'user',
  'group',
  'log_level',
  'log_file',
  'log_format',
  'syslog_prefix',
] as const;
