/**
 * Reads zone data in the two forms of the RFC 7208 test suite, per name either its YAML form, a list
 * with one record an entry,
 *
 *     "example.com": [{"SPF": "v=spf1 mx -all"}, {"MX": [10, "mail.example.com"]}, {"TXT": "NONE"}, "TIMEOUT"]
 *
 * or a map from types to lists of records:
 *
 *     "example.com": {"TXT": [["v=spf1 mx ", "-all"]], "MX": [[10, "mail.example.com"]], "timeout": true}
 *
 * In the first form SPF entries count as TXT when the name has no TXT entry, not even NONE; the second says
 * what it means. TIMEOUT: questions for types without a record time out. Text is latin1; an internationalised name
 * is written as the DNS has it, in A-labels.
 */
import { parseDomain } from '../mail/domain.js';
import { errorText } from '../mail/error-text.js';
import { type Result, wrong } from '../mail/result.js';
import { parseIp, type Ip } from '../mail/ip.js';
import { lowerName } from './wire/name.js';
import type { CaaRecord, Mx, RecordData, RecordType, SrvRecord, TlsaRecord } from './resolver.js';

/** What a zone holds of one name. */
export interface ZoneEntry {
  readonly records: { readonly [T in RecordType]: RecordData[T][] };
  /** Targets of CNAME records; there is at most one. */
  readonly aliases: string[];
  /** The types of which a question times out, unless there are records. */
  readonly timeouts: Set<RecordType>;
}

/** By lower-cased name without a final dot. */
export type ZoneData = ReadonlyMap<string, ZoneEntry>;

const types = ['A', 'AAAA', 'MX', 'TXT', 'PTR', 'NS', 'SRV', 'CAA', 'TLSA'] as const satisfies readonly RecordType[];
type ZoneType = RecordType | 'CNAME' | 'SPF';

/** One record as it stands in the data. */
interface ZoneItem {
  readonly key: string;
  readonly value: unknown;
}

/** Reads zone data; the problem is one line of printable ASCII that names the entry. */
export function readZoneData(data: unknown): Result<ZoneData> {
  if (!isMap(data)) return wrong('zone data must be a map from names to records');
  const zone = new Map<string, ZoneEntry>();
  for (const [name, value] of Object.entries(data)) {
    const key = lowerName(name).replace(/\.$/, '');
    const entry = zone.get(key) ?? emptyEntry();
    const problem = isOctets(name) ? readName(entry, value) : `has a character ${beyond(name)}`;
    if (problem !== undefined) return wrong(`${quoted(name)}: ${problem}`);
    zone.set(key, entry);
  }
  return { ok: true, value: zone };
}

/** Reads the JSON text of a zone file. */
export function readZoneText(text: string): Result<ZoneData> {
  try {
    return readZoneData(JSON.parse(text.replace(/^\uFEFF/, '')));
  } catch (error) {
    return wrong(`not JSON: ${printable(errorText(error))}`);
  }
}

const emptyEntry = (): ZoneEntry => ({
  records: { A: [], AAAA: [], MX: [], TXT: [], PTR: [], NS: [], SRV: [], CAA: [], TLSA: [] },
  aliases: [],
  timeouts: new Set(),
});
const isMap = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);
const isOctets = (text: string): boolean => !/[^\0-\xff]/.test(text);

/** What to do about a name that is no octets. */
function beyond(name: unknown): string {
  const asked = typeof name === 'string' ? parseDomain(name.replace(/\.$/, '')) : undefined;
  return `beyond U+00FF: ${asked === undefined ? 'text is latin1, one character for one octet' : `write ${asked}`}`;
}

/** Returns what is wrong, or undefined, as all functions below do. */
function readName(entry: ZoneEntry, value: unknown): string | undefined {
  if (Array.isArray(value)) return readItems(entry, value.flatMap(itemsOfListed));
  if (!isMap(value)) return `a name holds a list or a map of records, not ${quoted(value)}`;
  return readItems(entry, Object.entries(value).flatMap(itemsOfMapped));
}

function itemsOfListed(value: unknown): ZoneItem[] {
  if (isMap(value)) return Object.entries(value).map(([key, record]: [string, unknown]) => ({ key, value: record }));
  return [{ key: value === 'TIMEOUT' ? 'timeout' : '', value: value === 'TIMEOUT' || value }];
}

/**
 * A list under a type is a list of records, except where it can only be a single record that begins with a number;
 * single records are as in the other form.
 */
function itemsOfMapped([key, value]: [string, unknown]): ZoneItem[] {
  if (!Array.isArray(value) || key === 'timeoutTypes' || (beginsWithNumber.has(key) && typeof value[0] === 'number'))
    return [{ key, value }];
  return key === 'SPF' ? [] : value.map((record: unknown) => ({ key, value: record }));
}

const beginsWithNumber: ReadonlySet<string> = new Set(['MX', 'SRV', 'CAA', 'TLSA']);

function readItems(entry: ZoneEntry, items: readonly ZoneItem[]): string | undefined {
  const spfIsTxt = !items.some(({ key }) => key === 'TXT');
  for (const item of items) {
    const problem = item.key === 'SPF' && !spfIsTxt ? undefined : readItem(entry, item);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function readItem(entry: ZoneEntry, { key, value }: ZoneItem): string | undefined {
  if (key === 'timeout') return readTimeout(entry, value === true ? types : value === false ? [] : [value]);
  if (key === 'timeoutTypes') return readTimeout(entry, Array.isArray(value) ? value : [value]);
  if (!isZoneType(key)) return key === '' ? `${quoted(value)} is no record` : `${quoted(key)} is no record type`;
  if (value === 'TIMEOUT') return key === 'SPF' || key === 'CNAME' ? undefined : readTimeout(entry, [key]);
  if (value === 'NONE' && (key === 'TXT' || key === 'SPF')) return undefined;
  if (adders[key](entry, value)) return undefined;
  const host = namedLast.has(key) && Array.isArray(value) ? (value.at(-1) as unknown) : value;
  const isName = namedLast.has(key) || key === 'PTR' || key === 'NS' || key === 'CNAME';
  if (isName && typeof host === 'string' && !isOctets(host)) return `${key}: ${quoted(host)} is ${beyond(host)}`;
  return `${key}: ${quoted(value)} is not ${wanted[key]}`;
}

/** A host stands at their end. */
const namedLast: ReadonlySet<string> = new Set(['MX', 'SRV']);

const isZoneType = (key: string): key is ZoneType => Object.hasOwn(adders, key);

function readTimeout(entry: ZoneEntry, values: readonly unknown[]): string | undefined {
  for (const value of values) {
    const type = types.find((known) => known === value);
    if (!type) return `timeout: ${quoted(value)} is not true, false or a record type`;
    entry.timeouts.add(type);
  }
  return undefined;
}

/** Adds one record; false when the value is none of its type. */
const adders: { readonly [T in ZoneType]: (entry: ZoneEntry, value: unknown) => boolean } = {
  A: ({ records }, value) => addTo(records.A, readIp(value, false)),
  AAAA: ({ records }, value) => addTo(records.AAAA, readIp(value, true)),
  MX: ({ records }, value) => addTo(records.MX, readMx(value)),
  TXT: ({ records }, value) => addTo(records.TXT, readStrings(value)),
  SPF: ({ records }, value) => addTo(records.TXT, readStrings(value)),
  PTR: ({ records }, value) => addTo(records.PTR, readTarget(value)),
  NS: ({ records }, value) => addTo(records.NS, readTarget(value)),
  SRV: ({ records }, value) => addTo(records.SRV, readSrv(value)),
  CAA: ({ records }, value) => addTo(records.CAA, readCaa(value)),
  TLSA: ({ records }, value) => addTo(records.TLSA, readTlsa(value)),
  CNAME: ({ aliases }, value) => aliases.length === 0 && addTo(aliases, readTarget(value)),
};

const wanted: { readonly [T in ZoneType]: string } = {
  A: 'an IPv4 address',
  AAAA: 'an IPv6 address',
  MX: '[preference, host]',
  TXT: 'a string or a list of strings, of characters up to U+00FF',
  SPF: 'a string or a list of strings, of characters up to U+00FF',
  PTR: 'a name',
  NS: 'a name',
  SRV: '[priority, weight, port, host]',
  CAA: '[flags, tag, value]',
  TLSA: '[usage, selector, matching, hexadecimal digits]',
  CNAME: 'a single name',
};

function addTo<V>(list: V[], value: V | undefined): boolean {
  if (value !== undefined) list.push(value);
  return value !== undefined;
}

function readIp(value: unknown, hasColon: boolean): Ip | undefined {
  return typeof value === 'string' && value.includes(':') === hasColon ? parseIp(value) : undefined;
}

function readMx(value: unknown): Mx | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [preference, host]: readonly unknown[] = value;
  const exchange = readTarget(host);
  return isWord(preference, 65_535) && exchange !== undefined ? { preference, exchange } : undefined;
}

const isWord = (value: unknown, max: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;

function readSrv(value: unknown): SrvRecord | undefined {
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [priority, weight, port, host]: readonly unknown[] = value;
  const target = readTarget(host);
  const isOne = isWord(priority, 65_535) && isWord(weight, 65_535) && isWord(port, 65_535) && target !== undefined;
  return isOne ? { priority, weight, port, target } : undefined;
}

function readCaa(value: unknown): CaaRecord | undefined {
  if (!Array.isArray(value) || value.length !== 3) return undefined;
  const [flags, tag, text]: readonly unknown[] = value;
  const isOne = isWord(flags, 255) && typeof tag === 'string' && /^[a-z0-9]+$/i.test(tag);
  if (!isOne || typeof text !== 'string' || !isOctets(text)) return undefined;
  return { critical: (flags & 128) !== 0, tag: tag.toLowerCase(), value: text };
}

function readTlsa(value: unknown): TlsaRecord | undefined {
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [usage, selector, matching, data]: readonly unknown[] = value;
  const isOne = isWord(usage, 255) && isWord(selector, 255) && isWord(matching, 255);
  if (!isOne || typeof data !== 'string' || !/^(?:[0-9a-f]{2})+$/i.test(data)) return undefined;
  return { usage, selector, matching, data: data.toLowerCase() };
}

function readStrings(value: unknown): readonly string[] | undefined {
  const strings: readonly unknown[] = Array.isArray(value) ? value : [value];
  const isText = (part: unknown): part is string => typeof part === 'string' && isOctets(part);
  return strings.every(isText) ? strings : undefined;
}

const readTarget = (value: unknown): string | undefined =>
  typeof value === 'string' && isOctets(value) ? value.replace(/\.$/, '') : undefined;

/** A value for a message: one line, printable ASCII, cut. */
function quoted(value: unknown): string {
  const text = printable(JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

const printable = (text: string): string =>
  text.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
