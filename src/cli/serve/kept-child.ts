/**
 * One process beside the workers as `serve` keeps it: started when privileges are gone, started anew when it dies. What
 * it does is its command's business.
 */
import type { Logger } from '../../log.js';
import { exit } from '../exit-codes.js';
import { Child, type ChildProgram } from '../service/child.js';

export interface ChildToKeep {
  /** It stands in the log: `the quarantine page`. */
  readonly name: string;
  readonly program: ChildProgram;
  readonly log: Logger;
  readonly started?: (child: Child) => void;
  readonly ended?: (child: Child) => void;
  /** It ended in a way that will not change by itself: it is not started again. */
  readonly gaveUp?: () => void;
}

const againMs = 5_000;

export class KeptChild {
  readonly #kept: ChildToKeep;
  #child: Child | undefined;
  #isStopping = false;

  constructor(kept: ChildToKeep) {
    this.#kept = kept;
    this.#start();
  }

  /** Undefined while there is none. */
  get child(): Child | undefined {
    return this.#child;
  }

  /** What has not ended after so long is killed. */
  async stop(withinMs: number): Promise<void> {
    this.#isStopping = true;
    await this.#child?.end(withinMs);
  }

  #start(): void {
    if (this.#isStopping) return;
    const { name, program, log, started, ended, gaveUp } = this.#kept;
    const child = new Child(program);
    this.#child = child;
    started?.(child);
    void child.ended.then(({ code, signal }) => {
      this.#child = undefined;
      ended?.(child);
      if (this.#isStopping) return;
      // What its own complaint says will not go away by itself, such as a wrong setting.
      const isHopeless = code !== null && code >= exit.usage;
      log.error({ code, signal }, `${name} ended: it is ${isHopeless ? 'not ' : ''}started again`);
      if (isHopeless) return gaveUp?.();
      setTimeout(() => this.#start(), againMs).unref();
    });
  }
}
