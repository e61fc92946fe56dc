/** The primary process of several workers: keeps them running, passes signals on, counts connections, expires the quarantine. */
import cluster, { type Worker } from 'node:cluster';
import type { Logger } from '../log.js';
import type { Settings } from '../settings.js';
import { exit } from './exit-codes.js';
import { type CommandLine, load } from './load.js';
import { notifySystemd } from './notify.js';
import { maxOf } from './process.js';
import { embeddedOf, quarantineOf } from './wire.js';
import { countForWorkers } from './worker-limits.js';
import { storeForWorkers } from './worker-store.js';

interface Supervision {
  readonly command: CommandLine;
  readonly settings: Settings;
  readonly log: Logger;
}

/** A worker that dies sooner than this did not get to serve. */
const tooSoonMs = 2000;
const hourMs = 60 * 60 * 1000;

/** Runs until TERM or INT, or until workers cannot even start; the exit code. */
export function superviseWorkers({ command, settings, log }: Supervision): Promise<number> {
  let current = settings;
  let stopping = false;
  const started = new Map<number, number>();
  cluster.schedulingPolicy = cluster.SCHED_NONE; // the kernel hands connections out: 0.3 ms of CPU a mail against 0.5
  countForWorkers(() => maxOf(current));
  const store = storeForWorkers(() => embeddedOf(current, log));
  const fork = (): void => void started.set(cluster.fork().id, Date.now());
  const expiry = setInterval(() => void quarantineOf(current).expire(), hourMs);
  const all = (signal: NodeJS.Signals): void => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill(signal);
  };
  process.on('SIGHUP', () => {
    const loaded = load(command);
    if (loaded.ok) current = loaded.settings;
    all('SIGHUP');
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      stopping = true;
      clearInterval(expiry);
      all('SIGTERM');
    });
  }
  let ready = 0;
  cluster.on('listening', () => {
    if (++ready === settings.workers) notifySystemd('READY=1');
  });
  for (let i = 0; i < settings.workers; i++) fork();
  return new Promise((resolve) => {
    cluster.on('exit', (worker: Worker, code: number, signal: string) => {
      const left = Object.keys(cluster.workers ?? {}).length;
      const lived = Date.now() - (started.get(worker.id) ?? 0);
      if (!stopping && lived > tooSoonMs) {
        log.error({ worker: worker.process.pid, code, signal }, 'worker died: another one takes its place');
        return fork();
      }
      if (!stopping) log.error({ worker: worker.process.pid, code, signal }, 'worker did not start');
      if (left > 0) return undefined;
      clearInterval(expiry);
      return void store.close().then(() => resolve(stopping ? exit.ok : code || exit.software));
    });
  });
}
