/**
 * What the primary of `postern serve` answers monitors: the sums of all its processes, and whether mail can be taken.
 * It never stops mail: where its port cannot be opened the log says so, and that is all.
 */
import type { Logger } from '../../log.js';
import { errorText } from '../../mail/error-text.js';
import { GateMetrics } from '../../metrics/gate.js';
import type { Snapshot } from '../../metrics/registry.js';
import { mtaProblem } from '../../relay/asking/probe.js';
import { everyDestination } from '../../relay/destination/destination.js';
import type { Settings } from '../../settings/settings.js';
import { writeListenEndpoint } from '../../settings/mail-kinds.js';
import { openingOf } from '../relay/relaying.js';
import { type ReplacedFor, replacedFor } from '../service/workers.js';
import { type DiskReport, DiskWatch } from './disk-watch.js';
import { makeResolver } from '../wire.js';
import { addBuildInfo, addProcessNumbers } from './process-numbers.js';
import { MetricsPort } from './server.js';
import { WorkersNumbers } from './workers-numbers.js';

export interface GateMonitorParts {
  readonly settings: () => Settings;
  readonly log: Logger;
  /** Does a worker take mail? */
  readonly isServing: () => boolean;
}

/** What is known of the MTA is good for so long. */
const mtaGoodMs = 30_000;
const mtaWithinMs = 5_000;

export class GateMonitor {
  readonly #parts: GateMonitorParts;
  readonly #metrics = new GateMetrics();
  readonly #replaced;
  readonly workers = new WorkersNumbers(() => this.#metrics.registry.snapshot);
  readonly #port = new MetricsPort({ collect: () => this.#collect(), unready: () => this.#unready() });
  #disks: DiskWatch | undefined;
  #disk: DiskReport = { problems: [], free: {} };
  #isReady = false;
  #mta: { readonly askedAt: number; readonly problem: Promise<string | undefined> } | undefined;
  #isStopping = false;

  constructor(parts: GateMonitorParts) {
    this.#parts = parts;
    const { registry } = this.#metrics;
    const replacedHelp =
      'Workers that another one took the place of: dead, silent, or after a late mistake of a plugin.';
    this.#replaced = registry.counter('postern_workers_replaced_total', replacedHelp, {
      labels: { cause: replacedFor },
    });
    const gauge = (name: string, help: string, read: () => number | undefined): void =>
      registry.asked({ name, help, type: 'gauge' }, read);
    gauge('postern_quarantine_messages', 'Mails in the quarantine.', () => this.#disk.quarantine?.messages ?? 0);
    gauge('postern_quarantine_bytes', 'Octets of these mails.', () => this.#disk.quarantine?.octets ?? 0);
    gauge('postern_quarantine_oldest_seconds', 'Age of the oldest mail in the quarantine.', () => this.#oldestSeconds);
    const disk = registry.gauge('postern_disk_free_bytes', 'Room for the quarantine, and for the state folder.', {
      labels: { path: ['spam', 'state'] },
    });
    this.#setFree = ({ free }) => {
      for (const path of ['spam', 'state'] as const) {
        const member = disk.at(path);
        if (member) member.value = free[path] ?? NaN;
      }
    };
    gauge('postern_ready', '1 while mail can be taken: what /readyz says.', () => Number(this.#isReady));
    addBuildInfo(registry);
    addProcessNumbers(registry);
  }

  readonly #setFree: (report: DiskReport) => void;

  get #oldestSeconds(): number {
    const { oldest = Infinity } = this.#disk.quarantine ?? {};
    return oldest === Infinity ? 0 : Math.max(0, (Date.now() - oldest) / 1000);
  }

  readonly replaced = (cause: ReplacedFor): void => this.#replaced.at(cause)?.add();

  /**
   * Opens the port as the settings have it, called at start while the process may still open any, and after each HUP:
   * what could not be opened is tried again. Where that fails, the address before stays.
   */
  async use(): Promise<void> {
    const { metrics: at, ...folders } = this.#parts.settings();
    const { log } = this.#parts;
    const before = this.#port.address;
    try {
      await this.#port.use(at);
    } catch (error) {
      const stays = this.#port.address === undefined ? 'mail is taken all the same' : 'the old address stays';
      log.error({ problem: errorText(error) }, `metrics = ${at ? writeListenEndpoint(at) : ''}: ${stays}`);
    }
    const { address } = this.#port;
    if (address !== undefined && address !== before) log.info({ metrics: address }, 'metrics');
    this.#mta = undefined;
    if (address === undefined) return this.#rest();
    this.workers.watch();
    if (this.#disks) this.#disks.watch(folders);
    else this.#disks = new DiskWatch(folders);
  }

  async close(): Promise<void> {
    this.#isStopping = true;
    this.#rest();
    await this.#port.close();
  }

  #rest(): void {
    this.workers.rest();
    this.#disks?.close();
    this.#disks = undefined;
  }

  async #collect(): Promise<Snapshot> {
    this.#isReady = (await this.#unready()).length === 0;
    this.#setFree(this.#disk);
    return this.workers.collect();
  }

  async #unready(): Promise<readonly string[]> {
    if (this.#isStopping) return ['postern is stopping'];
    const [disk, mta] = await Promise.all([this.#disks?.report(), this.#mtaProblem()]);
    if (disk) this.#disk = disk;
    return [...(this.#parts.isServing() ? [] : ['no worker takes mail']), ...(disk?.problems ?? []), ...mta];
  }

  /** One of several is enough: mail goes there meanwhile. */
  async #mtaProblem(): Promise<readonly string[]> {
    const now = performance.now();
    if (this.#mta === undefined || now - this.#mta.askedAt > mtaGoodMs)
      this.#mta = { askedAt: now, problem: mtaProblems(this.#parts.settings()) };
    const asked = this.#mta;
    const problem = await asked.problem;
    if (problem === undefined) return [];
    // It may be back the next moment: it is asked again by the next who wants to know, a second later at the earliest.
    if (this.#mta === asked && performance.now() - asked.askedAt > 1000) this.#mta = undefined;
    return [problem];
  }
}

/** Undefined where one of them answers. */
async function mtaProblems(settings: Settings): Promise<string | undefined> {
  const resolver = makeResolver(settings);
  if (!resolver.ok) return resolver.problem;
  const opening = openingOf(settings, resolver.value);
  const asked = everyDestination(settings.relay).map(async (destination) => {
    const problem = await mtaProblem({ ...opening, destination, timeoutMs: mtaWithinMs });
    return problem && `the local MTA at ${destination.text} does not answer: ${problem}`;
  });
  const problems = await Promise.all(asked);
  return problems.includes(undefined) ? undefined : problems.join('; ');
}
