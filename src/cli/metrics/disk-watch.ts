/**
 * What a monitor wants to know of the disks: can /srv be read, can /spam and the state folder be written to, how much
 * room is left, how much the quarantine holds. A thread of its own looks, so that a disk that hangs holds up nobody: it
 * only falls silent. The file is the thread's program as well.
 */
import { accessSync, constants, opendirSync, statfsSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { errorText } from '../../mail/error-text.js';
import { type QuarantineSize, QuarantineMeasure } from '../../quarantine/look/size.js';
import type { Settings } from '../../settings/settings.js';

export type WatchedFolders = Pick<Settings, 'srv' | 'spam' | 'state'>;

export interface DiskReport {
  /** What cannot be used, and why. */
  readonly problems: readonly string[];
  /** Octets; absent where the system does not say. */
  readonly free: Readonly<Partial<Record<'spam' | 'state', number>>>;
  /** Absent until it has been counted. */
  readonly quarantine?: QuarantineSize;
}

interface WatchOrder {
  readonly watched: WatchedFolders;
}

const lookEveryMs = 5_000;
/** Counting takes no more than a twentieth of the time, and is done once a minute at most. */
const countEveryMs = 60_000;
const countShare = 20;
/** The thread is silent for so long: the disk hangs. */
const silentMs = 15_000;

export class DiskWatch {
  #folders: WatchedFolders;
  #thread: Worker | undefined;
  #heardAt = 0;
  #report: DiskReport | undefined;
  #tellFirst: () => void = () => {};
  readonly #first = new Promise<void>((resolve) => (this.#tellFirst = resolve));

  constructor(folders: WatchedFolders) {
    this.#folders = folders;
    this.watch(folders);
  }

  /** Looks at these from now on. */
  watch(folders: WatchedFolders): void {
    const { srv, spam, state } = folders;
    this.#folders = folders;
    void this.#thread?.terminate();
    const order: WatchOrder = { watched: { srv, spam, state } };
    const resourceLimits = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 };
    const thread = new Worker(new URL(import.meta.url), { workerData: order, resourceLimits });
    this.#thread = thread;
    this.#heardAt = performance.now();
    thread.on('message', (report: DiskReport) => this.#hear(report));
    thread.on('error', (error) =>
      this.#hear({ problems: [`the disks cannot be watched: ${errorText(error)}`], free: {} }),
    );
    thread.unref();
  }

  #hear(report: DiskReport): void {
    this.#report = report;
    this.#heardAt = performance.now();
    this.#tellFirst();
  }

  /** The newest report; waits a moment for the first. */
  async report(): Promise<DiskReport> {
    if (this.#report === undefined) await Promise.race([this.#first, silence()]);
    const report = this.#report ?? { problems: [], free: {} };
    const seconds = Math.round((performance.now() - this.#heardAt) / 1000);
    const isSilent = seconds * 1000 > silentMs || this.#report === undefined;
    const { srv, spam, state } = this.#folders;
    return isSilent ? { ...report, problems: [`a disk does not answer, that of ${srv}, ${spam} or ${state}`] } : report;
  }

  close(): void {
    void this.#thread?.terminate();
  }
}

const firstWithinMs = 2_000;

const silence = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, firstWithinMs).unref());

function look({ srv, spam, state }: WatchedFolders, quarantine: QuarantineSize | undefined): DiskReport {
  const problems = [
    tried(`${srv} cannot be read`, () => opendirSync(srv).closeSync()),
    tried(`${spam} cannot be written to`, () => accessSync(spam, constants.R_OK | constants.W_OK | constants.X_OK)),
    tried(`${state} cannot be written to`, () => accessSync(state, constants.R_OK | constants.W_OK | constants.X_OK)),
  ].filter((problem) => problem !== undefined);
  const free = { spam: freeOctets(spam), state: freeOctets(state) };
  return {
    problems,
    free: {
      ...(free.spam !== undefined && { spam: free.spam }),
      ...(free.state !== undefined && { state: free.state }),
    },
    ...(quarantine && { quarantine }),
  };
}

function tried(problem: string, act: () => void): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return `${problem}: ${errorText(error)}`;
  }
}

/** Octets that postern's own user may still fill. */
function freeOctets(folder: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

async function watch(folders: WatchedFolders): Promise<void> {
  const measure = new QuarantineMeasure(folders.spam);
  let quarantine: QuarantineSize | undefined;
  let countAt = 0;
  for (;;) {
    parentPort?.postMessage(look(folders, quarantine), []);
    const before = performance.now();
    if (before >= countAt) {
      quarantine = await measure.measure(new Date()).catch(() => quarantine);
      const took = performance.now() - before;
      countAt = before + Math.max(countEveryMs, took * countShare);
      parentPort?.postMessage(look(folders, quarantine), []);
    }
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

const order = workerData as Partial<WatchOrder> | null;
if (!isMainThread && order?.watched !== undefined) void watch(order.watched);
