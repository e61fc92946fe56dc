/**
 * What a cache needs of the resolver behind it: answers that say how long they may be kept.
 */
import type { DnsAnswer, LookupOptions, RecordData, RecordType } from './resolver.js';

export interface TimedAnswer<T> {
  readonly answer: DnsAnswer<T>;
  /** Seconds; undefined when nobody said: a void answer without SOA, a failure. */
  readonly ttl: number | undefined;
}

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
