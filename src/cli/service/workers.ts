/**
 * Keeps the worker processes of one service running and passes signals on: what `serve` and `milter` share. A worker
 * says when it serves; before that it has no handler, and HUP would end it, so it hears later of a reload that it
 * missed.
 */
import cluster, { type Worker } from 'node:cluster';
import type { Logger } from '../../log.js';
import { exit } from '../exit-codes.js';

export interface WorkersToKeep {
  readonly count: number;
  readonly log: Logger;
  readonly reloadOn: readonly NodeJS.Signals[];
  /** Before the workers hear of it. */
  readonly reloading?: () => void;
  /** All of them serve for the first time. */
  readonly ready: () => void;
  readonly stopping?: () => void;
}

/** One that did not come to serve is followed by another after so long. */
const againAfterMs = 1000;

const servingMessage = 'postern: serving';

/** A worker serves and hears signals; nothing where the process is no worker. */
export const saysServing = (): void => void process.send?.(servingMessage);

/** Runs until TERM or INT, or until workers cannot even start; the exit code. */
export function keepWorkers(kept: WorkersToKeep): Promise<number> {
  return new Promise((resolve) => new Workers(kept, resolve).start());
}

class Workers {
  readonly #kept: WorkersToKeep;
  readonly #resolve: (code: number) => void;
  readonly #serving = new Set<number>();
  /** Of those that do not serve yet. */
  readonly #missed = new Map<number, NodeJS.Signals>();
  #everServed = false;
  #wereAllUp = false;
  #stopping = false;

  constructor(kept: WorkersToKeep, resolve: (code: number) => void) {
    this.#kept = kept;
    this.#resolve = resolve;
  }

  start(): void {
    cluster.schedulingPolicy = cluster.SCHED_NONE; // the kernel hands connections out: 0.3 ms of CPU a mail against 0.5
    cluster.on('message', (worker: Worker, message: unknown) => {
      if (message === servingMessage) this.#serves(worker);
    });
    cluster.on('exit', (worker: Worker, code: number, signal: string) => this.#exited(worker, { code, signal }));
    for (const signal of this.#kept.reloadOn) process.on(signal, () => this.#reload(signal));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#stop());
    for (let i = 0; i < this.#kept.count; i++) cluster.fork();
  }

  #serves(worker: Worker): void {
    this.#serving.add(worker.id);
    this.#everServed = true;
    const missed = this.#missed.get(worker.id);
    if (missed !== undefined) worker.process.kill(missed);
    if (this.#wereAllUp || this.#serving.size < this.#kept.count) return;
    this.#wereAllUp = true;
    this.#kept.ready();
  }

  #reload(signal: NodeJS.Signals): void {
    this.#kept.reloading?.();
    for (const worker of workers()) {
      if (this.#serving.has(worker.id)) worker.process.kill(signal);
      else this.#missed.set(worker.id, signal);
    }
  }

  #stop(): void {
    this.#stopping = true;
    this.#kept.stopping?.();
    for (const worker of workers()) worker.process.kill('SIGTERM');
    if (workers().length === 0) this.#resolve(exit.ok);
  }

  #exited(worker: Worker, { code, signal }: { readonly code: number; readonly signal: string }): void {
    const served = this.#serving.delete(worker.id);
    this.#missed.delete(worker.id);
    const facts = { worker: worker.process.pid, code, signal };
    // Where none has ever served and none was killed, the fault is the start's, and the start's exit code tells it.
    if (!this.#stopping && (served || this.#everServed || signal)) {
      this.#kept.log.error(facts, 'worker died: another one takes its place');
      setTimeout(() => this.#stopping || cluster.fork(), served ? 0 : againAfterMs);
      return;
    }
    if (!this.#stopping) this.#kept.log.error(facts, 'worker did not start');
    if (workers().length === 0) this.#resolve(this.#stopping ? exit.ok : code || exit.software);
  }
}

const workers = (): Worker[] => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
