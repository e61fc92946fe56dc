/**
 * Counts the quarantine, which takes seconds: in a thread, one count at a time. Each viewer's counts are kept for a
 * minute.
 */
import { Worker } from 'node:worker_threads';
import type { Stats } from '../quarantine/look/stats.js';

export interface StatsTask {
  readonly root: string;
  readonly domains: readonly string[] | undefined;
}

interface Kept {
  readonly at: number;
  readonly stats: Promise<Stats>;
}

const freshMs = 60_000;
const maxKept = 100;

export class StatsCache {
  readonly #root: string;
  readonly #kept = new Map<string, Kept>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(root: string) {
    this.#root = root;
  }

  /** Rejects when the quarantine cannot be read. */
  get(domains: ReadonlySet<string> | undefined): Promise<Stats> {
    const key = domains ? [...domains].toSorted().join(',') : '*';
    const known = this.#kept.get(key);
    if (known && performance.now() - known.at < freshMs) return known.stats;
    const stats = this.#last.then(() => countApart({ root: this.#root, domains: domains && [...domains] }));
    this.#last = stats.catch(() => this.#kept.delete(key));
    if (this.#kept.size >= maxKept) this.#kept.clear();
    this.#kept.set(key, { at: performance.now(), stats });
    return stats;
  }
}

function countApart(task: StatsTask): Promise<Stats> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./stats-thread.js', import.meta.url), {
      workerData: task,
      resourceLimits: { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 8 },
    });
    worker.once('message', (stats: Stats) => {
      resolve(stats);
      void worker.terminate();
    });
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the count was broken off')));
  });
}
