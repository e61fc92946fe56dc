/** Which filter may be asked now. One that failed in a way that costs mails their time is left alone for a while. */
import type { FilterProblem } from './socket-wire.js';

const firstPauseMs = 5_000;
const maxPauseMs = 60_000;

export class Availability {
  readonly #now: () => number;
  #pauseMs = 0;
  #pausedUntil = -Infinity;
  #problem: string | undefined;

  /** `now` is a clock in milliseconds that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Why it is left alone; undefined where it may be asked. */
  get paused(): string | undefined {
    return this.#now() < this.#pausedUntil ? this.#problem : undefined;
  }

  /** Does it work, as far as is known? */
  get isUp(): boolean {
    return this.#problem === undefined;
  }

  /**
   * Returns whether that is news. A port that is closed tells so at once, and a connection that broke is opened anew:
   * neither costs the next mail anything, so that a filter that is started again is asked from then on.
   */
  failed({ kind, message }: FilterProblem): boolean {
    const isNews = this.#problem === undefined;
    this.#problem = message;
    if (kind !== 'wrong') return isNews;
    this.#pauseMs = this.#pauseMs === 0 ? firstPauseMs : Math.min(2 * this.#pauseMs, maxPauseMs);
    this.#pausedUntil = this.#now() + this.#pauseMs;
    return isNews;
  }

  /** A mail has its verdict. Returns whether that is news. */
  worked(): boolean {
    const isNews = this.#problem !== undefined;
    this.#problem = undefined;
    this.#pauseMs = 0;
    return isNews;
  }
}
