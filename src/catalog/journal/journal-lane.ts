/** The journal of this host on its way into the catalog: hour by hour, the newest first. */
import { errorText } from '../../mail/error-text.js';
import { SourceDown } from '../../quarantine/kept-mails.js';
import type { Lane } from '../ship/lane.js';
import { HourFollower } from './hour-follower.js';
import { shipLines, type ShipLinesTo } from './ship-lines.js';

export interface JournalLaneOptions extends ShipLinesTo {
  /** `state/journal` */
  readonly dir: string;
  /** So many lines were not there before. */
  readonly onShipped: (lines: number) => void;
  readonly onProblem: (problem: string) => void;
}

export class JournalLane implements Lane {
  readonly #options: JournalLaneOptions;
  readonly #follower: HourFollower;

  constructor(options: JournalLaneOptions) {
    this.#options = options;
    this.#follower = new HourFollower(options.dir);
  }

  async next(which: { readonly all: boolean }): Promise<boolean> {
    const { onShipped, onProblem } = this.#options;
    for (const hour of this.#follower.waiting(which)) {
      try {
        const { rows, taken } = this.#follower.next(hour);
        onShipped(await shipLines(rows, this.#options));
        taken();
        if (rows.length > 0) return true;
      } catch (error) {
        if (error instanceof SourceDown) throw error;
        onProblem(`${hour.file}: ${errorText(error)}`);
      }
    }
    return false;
  }

  forgetRecent(): void {
    this.#follower.forgetRecent();
  }
}
