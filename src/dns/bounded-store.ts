/**
 * Maps with one bound on entries and on their weight. When it is reached, the oldest entry goes that was not
 * read since it last came up ("second chance"): nearly LRU, and reading costs one Map look-up.
 */
export interface BoundedStore<V> {
  get(key: string): V | undefined;
  /** `octets`: the weight of the entry, key included. What is over the whole bound is not kept. */
  set(key: string, value: V, octets: number): void;
  readonly size: number;
}

export interface Bound {
  readonly maxEntries: number;
  readonly maxOctets: number;
}

interface Slot<V> {
  readonly key: string;
  readonly value: V;
  readonly octets: number;
  readonly home: Map<string, Slot<V>>;
  used: boolean;
}

export const boundedStore = <V>(bound: Bound): BoundedStore<V> => new SlotStore(new Slots<V>(bound));

/** Makes stores that have the bound in common. */
export function storesWithin<V>(bound: Bound): () => BoundedStore<V> {
  const slots = new Slots<V>(bound);
  return () => new SlotStore(slots);
}

/** One store of those that share a bound. A class, for objects of closures are read more slowly. */
class SlotStore<V> implements BoundedStore<V> {
  readonly #slots: Slots<V>;
  readonly #home = new Map<string, Slot<V>>();

  constructor(slots: Slots<V>) {
    this.#slots = slots;
  }

  get size(): number {
    return this.#home.size;
  }

  get(key: string): V | undefined {
    const slot = this.#home.get(key);
    if (slot === undefined) return undefined;
    slot.used = true;
    return slot.value;
  }

  set(key: string, value: V, octets: number): void {
    const old = this.#home.get(key);
    if (old) this.#slots.remove(old);
    this.#slots.add({ key, value, octets, home: this.#home, used: false });
  }
}

/** All slots within a bound, in the order in which they come up. */
class Slots<V> {
  readonly #bound: Bound;
  readonly #inOrder = new Set<Slot<V>>();
  #octets = 0;

  constructor(bound: Bound) {
    this.#bound = bound;
  }

  add(slot: Slot<V>): void {
    if (slot.octets > this.#bound.maxOctets || this.#bound.maxEntries < 1) return;
    this.#makeRoom(slot.octets);
    slot.home.set(slot.key, slot);
    this.#inOrder.add(slot);
    this.#octets += slot.octets;
  }

  remove(slot: Slot<V>): void {
    this.#inOrder.delete(slot);
    slot.home.delete(slot.key);
    this.#octets -= slot.octets;
  }

  /** Ends: a slot put back is not `used` any more. */
  #makeRoom(octets: number): void {
    const { maxEntries, maxOctets } = this.#bound;
    for (const slot of this.#inOrder) {
      if (this.#inOrder.size < maxEntries && this.#octets + octets <= maxOctets) return;
      if (slot.used) this.#putBack(slot);
      else this.remove(slot);
    }
  }

  #putBack(slot: Slot<V>): void {
    slot.used = false;
    this.#inOrder.delete(slot);
    this.#inOrder.add(slot);
  }
}
