/**
 * The memory itself: a table with a bound, whose entries end by themselves. Two halves: what was put is kept apart
 * from what was only claimed or counted, so that a flood of strangers displaces strangers. Pure but for the clock it
 * is given.
 */
import type { Operation, Value } from './store.js';

export interface StoreEntry {
  readonly key: string;
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly ends: number;
  readonly settled: boolean;
}

export interface TableOptions {
  /** Entries of each half. */
  readonly max: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export class Table {
  readonly #max: number;
  readonly #now: () => number;
  readonly #strangers = new Map<string, StoreEntry>();
  readonly #settled = new Map<string, StoreEntry>();
  #changed = new Set<string>();

  constructor({ max, now }: TableOptions) {
    this.#max = max;
    this.#now = now;
  }

  get size(): number {
    return this.#strangers.size + this.#settled.size;
  }

  /** Has anything changed since `takeChanges`? */
  get isChanged(): boolean {
    return this.#changed.size > 0;
  }

  run(operation: Operation): Value {
    const { key } = operation;
    const held = this.entry(key);
    switch (operation.kind) {
      case 'get':
        return held?.value;
      case 'claim':
        if (held === undefined) this.#set({ ...this.#made(operation), settled: false });
        return held?.value ?? operation.value;
      case 'put':
        this.#set({ ...this.#made(operation), settled: true });
        return undefined;
      case 'add': {
        const value = String(countOf(held) + operation.by);
        this.#set({ ...this.#made({ ...operation, value }), ...(held && { ends: held.ends, settled: held.settled }) });
        return value;
      }
    }
  }

  #made({ key, value, lifeMs }: { readonly key: string; readonly value: string; readonly lifeMs: number }): StoreEntry {
    return { key, value, ends: this.#now() + lifeMs, settled: false };
  }

  /** What is known of the key and has not ended. */
  entry(key: string): StoreEntry | undefined {
    const held = this.#settled.get(key) ?? this.#strangers.get(key);
    if (held === undefined || held.ends > this.#now()) return held;
    this.#halfOf(held).delete(key);
    return undefined;
  }

  /** Takes an entry over from before; the later one of a key stands. */
  load(entry: StoreEntry): void {
    if (entry.ends > this.#now()) this.#keep(entry);
  }

  /** Keys that changed since the last call. */
  takeChanges(): readonly string[] {
    const keys = [...this.#changed];
    this.#changed = new Set();
    return keys;
  }

  /** They could not be written: they are to be taken again. */
  giveBack(keys: readonly string[]): void {
    for (const key of keys) this.#changed.add(key);
  }

  /** All that has not ended; may be read bit by bit while the table goes on changing. */
  *entries(): Generator<StoreEntry> {
    for (const half of [this.#strangers, this.#settled])
      for (const entry of half.values()) if (this.entry(entry.key) !== undefined) yield entry;
  }

  #set(entry: StoreEntry): void {
    this.#keep(entry);
    this.#changed.add(entry.key);
  }

  /** A Map keeps the order of insertion: the one that was set longest ago stands first, and goes first. */
  #keep(entry: StoreEntry): void {
    this.#strangers.delete(entry.key);
    this.#settled.delete(entry.key);
    const half = this.#halfOf(entry);
    half.set(entry.key, entry);
    const [oldest] = half.size > this.#max ? half.keys() : [];
    if (oldest === undefined) return;
    half.delete(oldest);
    this.#changed.delete(oldest);
  }

  #halfOf({ settled }: StoreEntry): Map<string, StoreEntry> {
    return settled ? this.#settled : this.#strangers;
  }
}

const countOf = (held: StoreEntry | undefined): number => {
  const count = Number(held?.value ?? 0);
  return Number.isSafeInteger(count) ? count : 0;
};
