/**
 * The ways to the MTAs behind: the connections of each destination, which of them failed a moment ago, and which one a
 * mail takes. Leaves what a failure is to errand.ts.
 */
import type { MtaPool } from '../pool.js';
import { type Destination, type DestinationList, everyDestination } from './destination.js';

/** A destination, as long as it is in use. */
export interface Way {
  readonly destination: Destination;
  readonly pool: MtaPool;
}

interface KnownWay extends Way {
  /** It failed, and is left alone until then; undefined: it has not failed since it worked last. */
  restsUntil: number | undefined;
}

export interface WaysOptions {
  readonly open: (destination: Destination) => MtaPool;
  /** Milliseconds since any fixed moment. */
  readonly now: () => number;
}

/** How long a destination that failed is left alone where there is another. */
export const restMs = 30_000;

/** Beyond so many, those that nobody uses are forgotten. */
const maxWays = 1_000;

export class Ways {
  readonly #options: WaysOptions;
  readonly #ways = new Map<string, KnownWay>();
  #turn = 0;

  constructor(options: WaysOptions) {
    this.#options = options;
  }

  /**
   * The one to take. Ranks come in order, and of a rank the one with the fewest connections in use. One that failed is
   * left alone, unless all did: then the one that has been for the longest time is tried, and no other.
   */
  first(list: DestinationList): Way {
    const only = onlyOf(list);
    return only ? this.#way(only) : (this.next(list, []) ?? this.#restedMost(list));
  }

  /** The one to take when those have been tried; undefined where none is left. */
  next(list: DestinationList, tried: readonly Way[]): Way | undefined {
    for (const rank of list.ranks) {
      const way = this.#leastUsed(rank, tried);
      if (way) return this.#claim(way);
    }
    return undefined;
  }

  /** Is there one that would be tried if this one failed, too? */
  hasAnother(list: DestinationList, tried: readonly Way[], way: Way): boolean {
    if (onlyOf(list)) return false;
    return everyDestination(list).some((one) => {
      const other = this.#way(one);
      return other !== way && !tried.includes(other) && !this.#isResting(other);
    });
  }

  failed(way: Way): void {
    this.#way(way.destination).restsUntil = this.#options.now() + restMs;
  }

  /** Did it fail a moment ago? */
  isResting(way: Way): boolean {
    return this.#isResting(this.#way(way.destination));
  }

  worked(way: Way): void {
    const known = this.#way(way.destination);
    if (known.restsUntil !== undefined) known.restsUntil = undefined;
  }

  pools(): readonly MtaPool[] {
    return [...this.#ways.values()].map(({ pool }) => pool);
  }

  #leastUsed(rank: readonly Destination[], tried: readonly Way[]): KnownWay | undefined {
    const from = this.#turn++ % rank.length; // whoever is used alike takes turns
    let found: KnownWay | undefined;
    for (const destination of [...rank.slice(from), ...rank.slice(0, from)]) {
      const way = this.#way(destination);
      const isFree = !tried.includes(way) && !this.#isResting(way);
      if (isFree && (found === undefined || way.pool.inUse < found.pool.inUse)) found = way;
    }
    return found;
  }

  /** One mail finds out whether it is back; the others go on leaving it alone. */
  #claim(way: KnownWay): Way {
    if (way.restsUntil !== undefined) way.restsUntil = this.#options.now() + restMs;
    return way;
  }

  #restedMost(list: DestinationList): KnownWay {
    const all = everyDestination(list).map((destination) => this.#way(destination));
    return all.reduce((most, way) => ((way.restsUntil ?? 0) < (most.restsUntil ?? 0) ? way : most));
  }

  #isResting({ restsUntil }: KnownWay): boolean {
    return restsUntil !== undefined && restsUntil > this.#options.now();
  }

  #way(destination: Destination): KnownWay {
    const known = this.#ways.get(destination.text);
    if (known) return known;
    if (this.#ways.size >= maxWays) this.#forgetUnused();
    const way = { destination, pool: this.#options.open(destination), restsUntil: undefined };
    this.#ways.set(destination.text, way);
    return way;
  }

  #forgetUnused(): void {
    for (const [text, way] of this.#ways) if (way.pool.isEmpty && !this.#isResting(way)) this.#ways.delete(text);
  }
}

/** Most lists are of one. */
const onlyOf = ({ ranks }: DestinationList): Destination | undefined =>
  ranks.length === 1 && ranks[0]?.length === 1 ? ranks[0][0] : undefined;
