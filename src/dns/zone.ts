/**
 * A resolver that knows one zone and never waits: for the demo, tests and checks without a network.
 * The forms of its data are described in zone-data.ts.
 */
import type { Result } from '../mail/result.js';
import { lowerName } from './wire/name.js';
import { ofType } from './of-type.js';
import { maxAliases } from './stub/reading.js';
import type { DnsAnswer, RecordData, RecordType, Resolver } from './resolver.js';
import { readZoneData, readZoneText, type ZoneData, type ZoneEntry } from './zone-data.js';

/** Answers at once, always. */
export interface ZoneResolver extends Resolver {
  lookup<T extends RecordType>(name: string, type: T): DnsAnswer<RecordData[T]>;
}

/** Zone data of our own; throws when they are bad. For data from outside: `readZone`. */
export function zoneResolver(zonedata: unknown): ZoneResolver {
  const zone = readZone(zonedata);
  if (!zone.ok) throw new TypeError(zone.problem);
  return zone.value;
}

/** Zone data from outside; the problem is one line that names the entry. */
export const readZone = (zonedata: unknown): Result<ZoneResolver> => resolved(readZoneData(zonedata));

/** The JSON text of a zone file; the problem is one line that names the entry. */
export const readZoneFile = (text: string): Result<ZoneResolver> => resolved(readZoneText(text));

const resolved = (read: Result<ZoneData>): Result<ZoneResolver> =>
  read.ok ? { ok: true, value: resolverOf(read.value) } : read;

type Answers = { readonly [T in RecordType]: DnsAnswer<RecordData[T]> };

const nxdomain = { kind: 'void', why: 'nxdomain' } as const;
const nodata = { kind: 'void', why: 'nodata' } as const;
const timedOut = { kind: 'failed', problem: 'timed out' } as const;
/** The same for every type. */
const always = (answer: DnsAnswer<never>): Answers => ({
  A: answer,
  AAAA: answer,
  MX: answer,
  TXT: answer,
  PTR: answer,
  NS: answer,
  SRV: answer,
  CAA: answer,
  TLSA: answer,
});
const allNodata = always(nodata);
const answersForNobody = always(nxdomain);

function resolverOf(zone: ZoneData): ZoneResolver {
  const answers = new Map<string, Answers>();
  for (const name of zone.keys()) for (const parent of parentsOf(name)) answers.set(parent, allNodata);
  for (const name of zone.keys()) answers.set(name, answersFor(zone, name, answers));
  return {
    lookup<T extends RecordType>(name: string, type: T) {
      // Most names come in lower case: they cost one look-up in the map.
      const known = answers.get(name) ?? answers.get(lowerName(name).replace(/\.$/, ''));
      return known ? (ofType<DnsAnswer<unknown>>(known, type) as DnsAnswer<RecordData[T]>) : nxdomain;
    },
  };
}

/** The names above one, which exist because it does (RFC 8020). */
function parentsOf(name: string): readonly string[] {
  const labels = name.split('.');
  return labels.slice(1).map((_, i) => labels.slice(i + 1).join('.'));
}

function answersFor(zone: ZoneData, name: string, empty: ReadonlyMap<string, Answers>): Answers {
  const end = endOfChain(zone, name);
  if (typeof end === 'object') return always(end);
  const entry = zone.get(end);
  if (!entry) return empty.has(end) ? allNodata : answersForNobody;
  return {
    A: answerFrom(entry, 'A'),
    AAAA: answerFrom(entry, 'AAAA'),
    MX: answerFrom(entry, 'MX'),
    TXT: answerFrom(entry, 'TXT'),
    PTR: answerFrom(entry, 'PTR'),
    NS: answerFrom(entry, 'NS'),
    SRV: answerFrom(entry, 'SRV'),
    CAA: answerFrom(entry, 'CAA'),
    TLSA: answerFrom(entry, 'TLSA'),
  };
}

function endOfChain(zone: ZoneData, start: string): string | DnsAnswer<never> {
  const seen = new Set([start]);
  for (let name = start; ;) {
    const target = zone.get(name)?.aliases[0];
    if (target === undefined) return name;
    name = lowerName(target);
    if (seen.has(name)) return { kind: 'failed', problem: 'CNAME loop' };
    if (seen.size > maxAliases) return { kind: 'failed', problem: 'CNAME chain too long' };
    seen.add(name);
  }
}

function answerFrom<T extends RecordType>(entry: ZoneEntry, type: T): DnsAnswer<RecordData[T]> {
  const records: readonly RecordData[T][] = entry.records[type];
  if (records.length > 0) return { kind: 'found', records };
  return entry.timeouts.has(type) ? timedOut : nodata;
}
