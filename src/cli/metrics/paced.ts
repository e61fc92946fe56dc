/** Work that many may ask for, and that is done a few times a second at most. */
import { setTimeout as sleep } from 'node:timers/promises';

const everyMs = 100;

export class Paced<T> {
  readonly #work: () => Promise<T>;
  #next: Promise<T> | undefined;
  #begunAt = -Infinity;

  constructor(work: () => Promise<T>) {
    this.#work = work;
  }

  /** What is made from now on: whoever asks before it is begun shares it, and nobody gets what is older. */
  get(): Promise<T> {
    return (this.#next ??= this.#make());
  }

  async #make(): Promise<T> {
    await sleep(Math.max(0, this.#begunAt + everyMs - performance.now()));
    this.#next = undefined;
    this.#begunAt = performance.now();
    return this.#work();
  }
}
