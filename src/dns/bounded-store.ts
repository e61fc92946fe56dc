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

export const boundedStore = <V>(bound: Bound): BoundedStore<V> => storesWithin<V>(bound)();

/** Makes stores that have the bound in common. */
export function storesWithin<V>({ maxEntries, maxOctets }: Bound): () => BoundedStore<V> {
  /** All slots, in the order in which they come up. */
  const slots = new Set<Slot<V>>();
  let total = 0;

  function remove(slot: Slot<V>): void {
    slots.delete(slot);
    slot.home.delete(slot.key);
    total -= slot.octets;
  }

  /** Ends: a slot put back is not `used` any more. */
  function makeRoom(octets: number): void {
    for (const slot of slots) {
      if (slots.size < maxEntries && total + octets <= maxOctets) return;
      if (slot.used) putBack(slot);
      else remove(slot);
    }
  }

  function putBack(slot: Slot<V>): void {
    slot.used = false;
    slots.delete(slot);
    slots.add(slot);
  }

  return () => {
    const home = new Map<string, Slot<V>>();
    return {
      get(key) {
        const slot = home.get(key);
        if (slot) slot.used = true;
        return slot?.value;
      },
      set(key, value, octets) {
        const old = home.get(key);
        if (old) remove(old);
        if (octets > maxOctets || maxEntries < 1) return;
        makeRoom(octets);
        const slot: Slot<V> = { key, value, octets, home, used: false };
        home.set(key, slot);
        slots.add(slot);
        total += octets;
      },
      get size() {
        return home.size;
      },
    };
  };
}
