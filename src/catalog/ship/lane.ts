/**
 * One kind of what is shipped. It knows where that lies and what the catalog lacks of it. Leaves to the shipper when it
 * is looked at, and what is done while the catalog is away.
 */
import { errorText } from '../../mail/error-text.js';
import { SourceDown } from '../../quarantine/kept-mails.js';
import type { IndexedLine, IndexFollower } from './index-follower.js';

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
    const { follower, work, onProblem } = this.#options;
    for (const file of follower.waiting(days)) {
      try {
        const { lines, taken } = follower.next(file);
        await work(lines);
        taken();
        if (lines.length > 0) return true;
      } catch (error) {
        if (error instanceof SourceDown) throw error;
        onProblem(`${file.path}: ${errorText(error)}`);
      }
    }
    return false;
  }

  forgetRecent(): void {
    this.#options.follower.forgetRecent();
  }
}
