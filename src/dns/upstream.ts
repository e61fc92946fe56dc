/**
 * What a cache needs of the resolver behind it: answers that say how long they may be kept.
 */
import type { DnsAnswer, LookupOptions, RecordData, RecordType } from './resolver.js';

export interface TimedAnswer<T> {
  readonly answer: DnsAnswer<T>;
  /** Seconds; undefined when nobody said: a void answer without SOA, a failure. */
  readonly ttl: number | undefined;
}

/** The same, and each question that had to be asked is told: how long it took, and what came of it. */
export const measured = (
  upstream: Upstream,
  heard: (seconds: number, answer: DnsAnswer<unknown>) => void,
): Upstream => ({
  ask: (name, type, options) => {
    const since = performance.now();
    const asked = upstream.ask(name, type, options);
    if (!(asked instanceof Promise)) return asked;
    return asked.then((timed) => {
      heard((performance.now() - since) / 1000, timed.answer);
      return timed;
    });
  },
});

export interface Upstream {
  /**
   * Never throws, never rejects. A value instead of a promise: nothing had to be asked, and nothing is worth keeping.
   */
  ask<T extends RecordType>(
    name: string,
    type: T,
    options?: LookupOptions,
  ): TimedAnswer<RecordData[T]> | Promise<TimedAnswer<RecordData[T]>>;
}
