/** What an operator should know of the way to the MTAs, and no result says. */
import { asciiText } from '../mail/text.js';

const tellAgainMs = 60_000;
const maxTold = 100;

export class Reports {
  readonly #onError: (problem: string) => void;
  readonly #toldAt = new Map<string, number>();

  constructor(onError: (problem: string) => void) {
    this.#onError = onError;
  }

  readonly tell = (problem: string): void => this.#onError(asciiText(problem));

  /** No mail will get through, or all are without TLS, until somebody reads this: but it is not said with each. */
  readonly tellAtTimes = (problem: string): void => {
    const now = performance.now();
    if (now - (this.#toldAt.get(problem) ?? -Infinity) < tellAgainMs) return;
    if (this.#toldAt.size >= maxTold) this.#toldAt.clear();
    this.#toldAt.set(problem, now);
    this.tell(problem);
  };
}
