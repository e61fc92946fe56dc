/**
 * Writes answers in the order in which they were put, however late each is known; holds no more than a limit of them.
 */
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** Answers that wait, for DNS or for one before them. */
const maxWaiting = 200;
/** Characters that are written at once. */
const enough = 64 * 1024;

export class OrderedOutput {
  readonly #stream: Writable;
  #text = '';
  /** Each is over when its answer and all before it are written. */
  readonly #waiting: Promise<void>[] = [];

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** A promise when there is no room for another one before it is over. */
  put(answer: string | Promise<string>): Promise<void> | undefined {
    if (typeof answer === 'string' && this.#waiting.length === 0) {
      this.#text += answer;
      return this.#text.length < enough ? undefined : this.#write();
    }
    const turn = this.#after(this.#waiting.at(-1), answer);
    this.#waiting.push(turn);
    return this.#waiting.length < maxWaiting ? undefined : this.#waiting[0];
  }

  /** Writes what is known by now. */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0) await this.#write();
  }

  async end(): Promise<void> {
    await this.#waiting.at(-1);
    await this.#write();
  }

  async #after(previous: Promise<void> | undefined, answer: string | Promise<string>): Promise<void> {
    await previous;
    this.#text += await answer;
    void this.#waiting.shift();
    await this.#write();
  }

  async #write(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    if (text !== '' && !this.#stream.write(text)) await once(this.#stream, 'drain');
  }
}
