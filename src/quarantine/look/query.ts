/**
 * The search language: `from:anna subject:"your invoice" after:2026-11-01 -plugin:spf word` into a predicate over index
 * entries, and what the reader may skip without looking closer. Knows no files.
 */
import { inAny, type Network, parseIp, parseNetwork } from '../../mail/ip.js';
import { printable } from '../../mail/text.js';
import type { IndexEntry } from '../disk/index-entry.js';
import type { MarkKind } from '../disk/mark.js';
import type { Result } from '../../mail/result.js';

export interface Query {
  /** Milliseconds; the entry's time is not before it. */
  readonly after?: number;
  /** Milliseconds; the entry's time is before it. */
  readonly before?: number;
  /** It is the one domain whose folders are read. */
  readonly domain?: string;
  /** It is the mark that is asked for; undefined means all but deleted mails. */
  readonly mark?: MarkKind;
  /** It is true where every mail of the days and the domain matches. */
  readonly all: boolean;
  /** It meets the octets (as latin1) of every line that can match; a line that it does not meet is not looked at. */
  readonly prefilter?: RegExp;
  matches(entry: IndexEntry, domain: string): boolean;
}

export type ParsedQuery = Result<Query>;

/** What may stand before the colon, and what it finds. */
export const queryKeys = {
  from: 'the sender: of the envelope, or who the mail says it is from',
  to: 'the recipient',
  subject: 'the subject',
  after: 'this day and later: 2026-11-20, today, yesterday, 7d',
  before: 'before this day',
  larger: 'mails over this size: 500k, 2m',
  reason: 'the reason',
  plugin: 'the plugin that refused it, whole',
  ip: "the client's address, or a network",
  host: "the client's name",
  helo: 'what the client called itself',
  domain: 'the hosted domain, whole',
  spf: 'the SPF result, whole',
  'header-from': 'who the mail says it is from, alone',
  id: 'the ID of the 550',
  is: 'released or deleted',
} as const;

type Key = keyof typeof queryKeys;

interface QueryTerm {
  readonly key: Key | 'any';
  readonly value: string;
  readonly not: boolean;
}

export const everything: Query = { all: true, matches: () => true };

export function parseQuery(text: string, now: Date = new Date()): ParsedQuery {
  if (text.length > 1_000) return { ok: false, problem: 'the search is too long' };
  const draft: QueryDraft = { tests: [], needles: [] };
  for (const term of termsOf(text)) {
    const problem = typeof term === 'string' ? term : take(draft, term, now);
    if (problem !== undefined) return { ok: false, problem };
  }
  const { tests, needles, ...limits } = draft;
  const needle = needles.toSorted((a, b) => b.length - a.length)[0];
  return {
    ok: true,
    value: {
      ...limits,
      all: tests.length === (limits.domain === undefined ? 0 : 1) && limits.mark === undefined,
      ...(needle !== undefined && { prefilter: patternOf(needle) }),
      matches: (entry, domain) => tests.every((test) => test(entry, domain)),
    },
  };
}

/**
 * K (the sign of the kelvin) and İ are the only others that are ASCII in lower case; here they stand as their UTF-8 in
 * latin1.
 */
const patternOf = (needle: string): RegExp =>
  new RegExp(
    needle
      .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replace(/k/gi, '(?:k|\\xe2\\x84\\xaa)')
      .replace(/i/gi, '(?:i|\\xc4\\xb0)'),
    'gi',
  );

interface QueryDraft {
  readonly tests: Test['test'][];
  /** They are octets that every matching line holds, in whatever case. */
  readonly needles: string[];
  after?: number;
  before?: number;
  domain?: string;
  mark?: MarkKind;
}

/** Yields words with an optional `-` and `key:`, whose value may stand in quotes; or a text that says what is wrong. */
function* termsOf(text: string): Generator<QueryTerm | string> {
  for (const [, minus, key = '', quoted, bare] of text.matchAll(
    /(-?)(?:([a-z]+(?:-[a-z]+)*):)?(?:"([^"]*)"?|(\S+))/gi,
  )) {
    const name = key.toLowerCase();
    const value = (quoted ?? bare ?? '').normalize('NFC');
    if (key !== '' && !Object.hasOwn(queryKeys, name)) {
      yield `there is no key ${printable(key, 40)}:; the keys are ${Object.keys(queryKeys).join(', ')}`;
    } else if (value !== '') yield { key: key === '' ? 'any' : (name as Key), value, not: minus === '-' };
  }
}

/** Returns what is wrong. */
function take(draft: QueryDraft, { key, value, not }: QueryTerm, now: Date): string | undefined {
  if (key === 'after' || key === 'before') return takeDate(draft, { key, value, not }, now);
  if (key === 'is') return takeMark(draft, { key, value, not });
  const found = testOf(key, value);
  if (typeof found === 'string') return found;
  draft.tests.push(not ? (entry, domain) => !found.test(entry, domain) : found.test);
  if (not) return undefined;
  if (key === 'domain') draft.domain = value.toLowerCase();
  draft.needles.push(...found.needles);
  return undefined;
}

interface Test {
  test(entry: IndexEntry, domain: string): boolean;
  readonly needles: readonly string[];
}

function testOf(key: Exclude<Key, 'after' | 'before' | 'is'> | 'any', value: string): Test | string {
  switch (key) {
    case 'larger':
      return sizeTest(value);
    case 'ip':
      return addressTest(value);
    case 'plugin':
    case 'spf':
      return exactTest(key, value);
    case 'domain':
      return { test: (_, domain) => domain === value.toLowerCase(), needles: [] };
    case 'id':
      return partTest(value, ({ filename }) => filename);
    case 'any':
      return partTest(value, (entry) => textOf(entry), '\n');
    case 'from':
      return partTest(value, ({ from, headerFrom = '' }) => `${from}\n${headerFrom}`, '\n');
    case 'header-from':
      return partTest(value, ({ headerFrom = '' }) => headerFrom);
    case 'to':
      return partTest(value, ({ recipient }) => recipient);
    default:
      return partTest(value, (entry) => entry[key]);
  }
}

const textOf = (entry: IndexEntry): string => {
  const { from, headerFrom = '', recipient, subject, filename, ip, host, helo, reason, messageId } = entry;
  return [from, headerFrom, recipient, subject, filename, ip, host, helo, reason, messageId].join('\n');
};

function partTest(value: string, of: (entry: IndexEntry) => string, separator = ''): Test {
  const part = value.toLowerCase();
  if (separator !== '' && part.includes(separator)) return { test: () => false, needles: [] };
  return { test: (entry) => of(entry).toLowerCase().includes(part), needles: runsOf(value) };
}

/** The stretches of a value that stand in a line's JSON as they are, whatever their case. */
const runsOf = (value: string): readonly string[] => value.match(/[ !#-[\]-~]{2,}/g) ?? [];

function exactTest(key: 'plugin' | 'spf', value: string): Test {
  const whole = value.toLowerCase();
  const needles = /^[\w-]+$/.test(whole) ? [`"${key}":"${whole}"`] : [];
  return { test: (entry) => entry[key]?.toLowerCase() === whole, needles };
}

function sizeTest(value: string): Test | string {
  const [, digits = '', unit = ''] = /^(\d{1,12})([kmg]?)b?$/i.exec(value) ?? [];
  if (digits === '') return 'larger: needs a size, such as larger:500k';
  const minSize = Number(digits) * 1024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase());
  return { test: ({ size }) => size > minSize, needles: [] };
}

function addressTest(value: string): Test | string {
  const ip = parseIp(value);
  if (ip) return { test: (entry) => entry.ip === ip.text, needles: [`"ip":"${ip.text}"`] };
  const network: Network | undefined = parseNetwork(value);
  if (network) return { test: (entry) => inNetwork(network, entry.ip), needles: [] };
  if (/^[0-9a-f.:]+$/i.test(value)) {
    const beginning = value.toLowerCase();
    return { test: (entry) => entry.ip.startsWith(beginning), needles: [`"ip":"${beginning}`] };
  }
  return 'ip: needs an address, its beginning or a network, such as ip:192.0.2.1 or ip:192.0.2.0/24';
}

function inNetwork(network: Network, text: string): boolean {
  const ip = parseIp(text);
  return ip !== undefined && inAny([network], ip);
}

function takeMark(draft: QueryDraft, { value, not }: QueryTerm): string | undefined {
  const mark = value.toLowerCase();
  if (not || (mark !== 'released' && mark !== 'deleted')) return 'is: takes released or deleted';
  draft.mark = mark;
  return undefined;
}

function takeDate(draft: QueryDraft, { key, value, not }: QueryTerm, now: Date): string | undefined {
  const time = dayStart(value, now);
  if (time === undefined || not) return `${key}: needs a day, such as ${key}:2026-11-20, ${key}:yesterday or ${key}:7d`;
  if (key === 'after') draft.after = Math.max(time, draft.after ?? -Infinity);
  else draft.before = Math.min(time, draft.before ?? Infinity);
  return undefined;
}

function dayStart(text: string, now: Date): number | undefined {
  const word = text.toLowerCase();
  const ago = /^(\d{1,4})d$/.exec(word)?.[1] ?? { today: '0', yesterday: '1' }[word];
  if (ago !== undefined) return new Date(now.getFullYear(), now.getMonth(), now.getDate() - Number(ago)).getTime();
  const [, year, month, day] = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(word) ?? [];
  if (year === undefined) return undefined;
  const date = new Date(Number(year), Number(month) - 1, Number(day));
  return date.getDate() === Number(day) ? date.getTime() : undefined;
}
