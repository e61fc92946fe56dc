/**
 * Counts names in bounded memory (lossy counting): when there are too many, the rarest are forgotten, so that frequent
 * names keep their counts, short by no more than how often that happened.
 */
export class Tally {
  readonly #counts = new Map<string, number>();
  readonly #room: number;

  constructor(room = 50_000) {
    this.#room = room;
  }

  add(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    for (let least = 1; this.#counts.size > this.#room; least++) this.#forget(least);
  }

  #forget(least: number): void {
    for (const [name, count] of this.#counts) if (count <= least) this.#counts.delete(name);
  }

  /** The most frequent, most frequent first. */
  top(n: number): { readonly name: string; readonly count: number }[] {
    return [...this.#counts]
      .map(([name, count]) => ({ name, count }))
      .toSorted((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
      .slice(0, n);
  }
}
