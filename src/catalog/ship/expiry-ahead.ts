/**
 * How close expiry is to mails that wait for the catalog: they and all that came since may fill `expire_size`, and then
 * the first of them goes, lost to the other hosts. Told when that comes near, and when it no longer is.
 */
import { octetsFrom } from '../../quarantine/care/sized-folders.js';
import type { Behind } from './backlog.js';

export interface ExpiryAheadOptions {
  /** /spam */
  readonly root: string;
  /** `expire_size`; 0, or not given: no limit. */
  readonly expireOctets?: number;
  /** Called with the share of `expire_size` that is filled. */
  readonly onNear?: (share: number, isNear: boolean) => void;
}

const nearShare = 0.9;
/** What waits for less is on its way. */
const usualWaitMs = 60_000;
/** Counting takes no more than a twentieth of the time, and is done once a minute at most. */
const countEveryMs = 60_000;
const countShare = 20;

export class ExpiryAhead {
  readonly #options: ExpiryAheadOptions;
  #share = 0;
  #isNear = false;
  #countDue = 0;
  #isCounting = false;

  constructor(options: ExpiryAheadOptions) {
    this.#options = options;
  }

  /** The share of `expire_size` that mails that wait, and what came since, fill; 0 where none waits. */
  get share(): number {
    return this.#share;
  }

  /** Counts beside what is shipped: there may be many. `indexes` are those that have mails that wait. */
  look({ since }: Behind, indexes: ReadonlySet<string>): void {
    const { expireOctets = 0 } = this.#options;
    if (expireOctets === 0 || this.#isCounting) return;
    if (since === undefined || Date.now() - since < usualWaitMs) this.#found(0);
    else if (performance.now() >= this.#countDue) void this.#count(indexes, expireOctets);
  }

  async #count(indexes: ReadonlySet<string>, expireOctets: number): Promise<void> {
    this.#isCounting = true;
    const began = performance.now();
    try {
      this.#found((await octetsFrom(this.#options.root, indexes)) / expireOctets);
    } catch {
      // Whoever ships, or expires, complains of what cannot be read.
    }
    this.#countDue = began + Math.max(countEveryMs, (performance.now() - began) * countShare);
    this.#isCounting = false;
  }

  #found(share: number): void {
    this.#share = share;
    const isNear = share > nearShare;
    if (isNear !== this.#isNear) this.#options.onNear?.(share, isNear);
    this.#isNear = isNear;
  }
}
