/** Which domains most violations are of: what an operator looks at before turning test mode into reject mode. */
import type { DomainKind } from './settings.js';

export interface Counted {
  readonly domain: string;
  readonly of: DomainKind;
  /** Once the tally is full it may be too high, never too low: a newcomer takes over the count of the rarest. */
  readonly count: number;
}

/** "Space-saving" (Metwally 2005): bounded, and whatever is frequent is in it. */
const maxDomains = 1000;

export class ViolationTally {
  readonly #counts = new Map<string, Counted>();

  note(domain: string, of: DomainKind): void {
    const before = this.#counts.get(domain)?.count ?? this.#takeOver();
    this.#counts.set(domain, { domain, of, count: before + 1 });
  }

  /** The most frequent first. */
  top(max: number): readonly Counted[] {
    return [...this.#counts.values()].toSorted((a, b) => b.count - a.count).slice(0, max);
  }

  clear(): void {
    this.#counts.clear();
  }

  #takeOver(): number {
    if (this.#counts.size < maxDomains) return 0;
    let rarest: Counted | undefined;
    for (const one of this.#counts.values()) if (one.count < (rarest?.count ?? Infinity)) rarest = one;
    this.#counts.delete(rarest?.domain ?? '');
    return rarest?.count ?? 0;
  }
}
