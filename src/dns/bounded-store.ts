/**
 * A Map with a bound on entries and on their weight. When it is full, the oldest entry goes that was not
 * read since it last came up ("second chance"): nearly LRU, and reading costs one Map look-up.
 */
export interface BoundedStore<V> {
  get(key: string): V | undefined;
  /** `octets`: the weight of the entry, key included. What is over the whole bound is not kept. */
  set(key: string, value: V, octets: number): void;
  readonly size: number;
}

interface Slot<V> {
  readonly value: V;
  readonly octets: number;
  used: boolean;
}

export function boundedStore<V>({ maxEntries, maxOctets }: { maxEntries: number; maxOctets: number }): BoundedStore<V> {
  const slots = new Map<string, Slot<V>>();
  let total = 0;

  function remove(key: string): void {
    total -= slots.get(key)?.octets ?? 0;
    slots.delete(key);
  }

  /** Ends: a slot put back is not `used` any more. */
  function makeRoom(octets: number): void {
    for (const [key, slot] of slots) {
      if (slots.size < maxEntries && total + octets <= maxOctets) return;
      slots.delete(key);
      if (slot.used) slots.set(key, { ...slot, used: false });
      else total -= slot.octets;
    }
  }

  return {
    get(key) {
      const slot = slots.get(key);
      if (slot) slot.used = true;
      return slot?.value;
    },
    set(key, value, octets) {
      remove(key);
      if (octets > maxOctets || maxEntries < 1) return;
      makeRoom(octets);
      slots.set(key, { value, octets, used: false });
      total += octets;
    },
    get size() {
      return slots.size;
    },
  };
}
