/**
 * A cache in front of a resolver: keeps answers for their TTL, void ones as RFC 2308 says, failures for a moment,
 * and asks a question that is already under way only once.
 */
import { behindTurnEnd } from '../turn-end.js';
import { ownName } from '../mail/domain.js';
import { lowerName } from './wire/name.js';
import { storesWithin } from './bounded-store.js';
import { untilAborted } from './deadline.js';
import { ofType } from './of-type.js';
import type { DnsAnswer, LookupOptions, RecordData, RecordType, Resolver } from './resolver.js';
import type { TimedAnswer, Upstream } from './upstream.js';

export interface CacheSettings {
  /** Answers kept at most; 10,000 by default. */
  readonly maxEntries?: number;
  /** Octets of memory for them, estimated; 16 MiB by default. */
  readonly maxOctets?: number;
  /** Seconds; 5 by default: for a TTL of 0 still the transaction in progress (RFC 1035 §3.2.1). */
  readonly minTtl?: number;
  /** Seconds; 3600 by default. */
  readonly maxTtl?: number;
  /** Seconds for void answers, whatever their SOA says; 900 by default. Without an SOA they are kept for `minTtl`. */
  readonly maxVoidTtl?: number;
  /** Seconds; 3 by default: a sender that tries again at once does not make us ask again. */
  readonly failedTtl?: number;
  /** Milliseconds, only compared with itself. */
  readonly now?: () => number;
}

interface CachedAnswer {
  readonly answer: DnsAnswer<unknown>;
  readonly expires: number;
}

interface CacheQuestion {
  readonly asked: string;
  /** In lower case. */
  readonly name: string;
  readonly type: RecordType;
}

type Limits = Required<Omit<CacheSettings, 'now'>>;

const defaults: Limits = {
  maxEntries: 10_000,
  maxOctets: 16 * 1024 * 1024,
  minTtl: 5,
  maxTtl: 3600,
  maxVoidTtl: 900,
  failedTtl: 3,
};

/**
 * A hit is a value, not a promise, even for an aborted caller. The abort of one caller ends only its own waiting:
 * the query goes on for the others and for the cache, bounded by the upstream's own limits.
 */
export function cachingResolver(upstream: Upstream, settings: CacheSettings = {}): Resolver {
  const { now = turnClock(), ...given } = settings;
  const limits: Limits = { ...defaults, ...given };
  const storeOf = storesWithin<CachedAnswer>(limits);
  const kept = {
    A: storeOf(),
    AAAA: storeOf(),
    MX: storeOf(),
    TXT: storeOf(),
    PTR: storeOf(),
    NS: storeOf(),
    SRV: storeOf(),
    CAA: storeOf(),
    TLSA: storeOf(),
  };
  const underWay = new Map<string, Promise<DnsAnswer<unknown>>>();

  function keep({ name, type }: CacheQuestion, timed: TimedAnswer<unknown>): DnsAnswer<unknown> {
    const expires = now() + 1000 * secondsToKeep(timed, limits);
    ofType(kept, type).set(ownName(name), { answer: timed.answer, expires }, octetsOf(name, timed.answer));
    return timed.answer;
  }

  function knownOf(name: string, type: RecordType): DnsAnswer<unknown> | undefined {
    const known = ofType(kept, type).get(name);
    return known && known.expires > now() ? known.answer : undefined;
  }

  function lookup(asked: string, type: RecordType, options?: LookupOptions) {
    // Most names come in lower case: they cost one look-up in a map.
    const known = knownOf(asked, type);
    if (known) return known;
    const name = lowerName(asked);
    return (name !== asked && knownOf(name, type)) || ask({ asked, name, type }, options);
  }

  function ask(question: CacheQuestion, options?: LookupOptions) {
    const { asked, name, type } = question;
    const key = `${type} ${name}`;
    const shared = underWay.get(key);
    // The signal is looked at only when there is something to wait for: a caller may make it on demand.
    if (shared) return untilAborted(shared, options?.signal);
    const timed = upstream.ask(asked, type);
    if (!(timed instanceof Promise)) return timed.answer;
    const answer = timed.then((it) => keep(question, it)).finally(() => underWay.delete(key));
    underWay.set(key, answer);
    return untilAborted(answer, options?.signal);
  }

  return {
    lookup<T extends RecordType>(name: string, type: T, options?: LookupOptions) {
      // What was stored under a type's key came from a question of that type.
      return lookup(name, type, options) as DnsAnswer<RecordData[T]> | Promise<DnsAnswer<RecordData[T]>>;
    },
  };
}

/** Reads the clock once a turn: reading it would take as long as all the rest of a look-up. */
function turnClock(): () => number {
  let time: number | undefined;
  const endTurn = (): void => {
    time = undefined;
  };
  return () => {
    if (time !== undefined) return time;
    behindTurnEnd(endTurn);
    return (time = performance.now());
  };
}

function secondsToKeep({ answer, ttl }: TimedAnswer<unknown>, limits: Limits): number {
  switch (answer.kind) {
    case 'found':
      return clamp(ttl ?? 0, limits.minTtl, limits.maxTtl);
    case 'void':
      return clamp(ttl ?? 0, limits.minTtl, limits.maxVoidTtl);
    case 'failed':
      return limits.failedTtl;
  }
}

const clamp = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max);

/** An estimate: text counts its characters, everything else a little for the objects around it. */
function octetsOf(name: string, answer: DnsAnswer<unknown>): number {
  const perEntry = 240 + name.length;
  if (answer.kind !== 'found') return perEntry;
  return answer.records.reduce<number>((sum, record) => sum + octetsOfRecord(record), perEntry);
}

function octetsOfRecord(record: unknown): number {
  if (typeof record === 'string') return 40 + record.length;
  if (Array.isArray(record)) return record.reduce<number>((sum, part) => sum + octetsOfRecord(part), 40);
  return 160;
}
