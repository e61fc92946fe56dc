/**
 * One kind of what is shipped. It knows where that lies and what the catalog lacks of it. Leaves to the shipper when it
 * is looked at, and what is done while the catalog is away.
 */
import { errorText } from '../../mail/error-text.js';
import { SourceDown } from '../../quarantine/kept-mails.js';
import type { IndexedLine, IndexFollower, WaitingLines } from './index-follower.js';

export interface Lane {
  /** Ships the next of it, from all days or the last ones; true where there may be more. Throws SourceDown. */
  next(days: { readonly all: boolean }): Promise<boolean>;
  /** From now on what the last days have counts as not shipped. */
  forgetRecent(): void;
}

export interface IndexLaneOptions {
  readonly follower: IndexFollower;
  /** Ships these lines. */
  readonly work: (lines: readonly IndexedLine[]) => Promise<unknown>;
  readonly onProblem: (problem: string) => void;
}

/** What the indexes in /spam have. */
export class IndexLane implements Lane {
  readonly #options: IndexLaneOptions;

  constructor(options: IndexLaneOptions) {
    this.#options = options;
  }

  async next(days: { readonly all: boolean }): Promise<boolean> {
    const { follower } = this.#options;
    const given = follower.next(days);
    try {
      return await this.#ship(given);
    } catch (error) {
      follower.lookAnew();
      throw error;
    }
  }

  /** True where some were taken. A file whose lines are of no use holds up no other. */
  async #ship(given: readonly WaitingLines[]): Promise<boolean> {
    const { work, onProblem } = this.#options;
    const [first] = given;
    if (!first) return false;
    try {
      await work(given.flatMap(({ lines }) => lines));
      return given.filter(({ taken }) => taken()).length > 0;
    } catch (error) {
      if (error instanceof SourceDown) throw error;
      if (given.length === 1) onProblem(`${first.path}: ${errorText(error)}`);
    }
    let isAny = false;
    if (given.length > 1) for (const one of given) isAny = (await this.#ship([one])) || isAny;
    return isAny;
  }

  forgetRecent(): void {
    this.#options.follower.forgetRecent();
  }
}
