/**
 * The search language: `from:anna subject:"your invoice" after:2026-11-01 -plugin:spf word` into a predicate over index
 * entries, and what the reader may skip without looking closer. Knows no files.
 */
import { prefilterOf, type SearchSpan, type SearchTerm, takeDate, termsOf } from '../../lines/search-terms.js';
import { exactTest, ipTest, numberTest, partTest, type SearchTest, sizeTest } from '../../lines/search-tests.js';
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
  /** It is what the search was read from, for whoever looks elsewhere than in files. */
  readonly terms: readonly QueryTerm[];
  matches(entry: IndexEntry, domain: string): boolean;
}

export type ParsedQuery = Result<Query>;

/** What may stand before the colon, and what it finds. */
export const queryKeys = {
  from: 'the sender: of the envelope, or who the mail says it is from; <> for bounces',
  to: 'the recipient',
  subject: 'the subject',
  after: 'this day or time and later: 2026-11-20, 2026-11-20T14:30, today, yesterday, 7d, 2h',
  before: 'before this day or time',
  larger: 'mails over this size: 500k, 2m',
  reason: 'the reason',
  plugin: 'the plugin that refused it, whole',
  ip: "the client's address, or a network",
  host: "the client's name",
  helo: 'what the client called itself',
  domain: 'the hosted domain, whole',
  spf: 'the SPF result, whole',
  score: 'the score: >5, <2, 7.5',
  'header-from': 'who the mail says it is from, alone',
  id: 'the ID of the 550',
  is: 'released or deleted',
} as const;

type Key = keyof typeof queryKeys;
export type QueryTerm = SearchTerm<Key>;

export const everything: Query = { all: true, terms: [], matches: () => true };

export function parseQuery(text: string, now: Date = new Date()): ParsedQuery {
  const draft: QueryDraft = { terms: [], tests: [], needles: [] };
  for (const term of termsOf(text, queryKeys)) {
    const problem = typeof term === 'string' ? term : take(draft, term, now);
    if (problem !== undefined) return { ok: false, problem };
    if (typeof term !== 'string') draft.terms.push(term);
  }
  const { tests, needles, ...limits } = draft;
  const prefilter = prefilterOf(needles);
  return {
    ok: true,
    value: {
      ...limits,
      all: tests.length === (limits.domain === undefined ? 0 : 1) && limits.mark === undefined,
      ...(prefilter !== undefined && { prefilter }),
      matches: (entry, domain) => tests.every((test) => test(entry, domain)),
    },
  };
}

type Test = SearchTest<IndexEntry>;

interface QueryDraft extends SearchSpan {
  readonly terms: QueryTerm[];
  readonly tests: Test['test'][];
  readonly needles: string[];
  domain?: string;
  mark?: MarkKind;
}

/** Returns what is wrong. */
function take(draft: QueryDraft, { key, value, not }: QueryTerm, now: Date): string | undefined {
  if (key === 'after' || key === 'before') return takeDate(draft, { key, value, not }, now);
  if (key === 'is') return takeMark(draft, value, not);
  const found = testOf(key, value);
  if (typeof found === 'string') return found;
  draft.tests.push(not ? (entry, domain) => !found.test(entry, domain) : found.test);
  if (not) return undefined;
  if (key === 'domain') draft.domain = value.toLowerCase();
  draft.needles.push(...found.needles);
  return undefined;
}

function testOf(key: Exclude<Key, 'after' | 'before' | 'is'> | 'any', value: string): Test | string {
  switch (key) {
    case 'larger':
      return sizeTest(value, ({ size }) => size);
    case 'ip':
      return ipTest(value, ({ ip }) => ip);
    case 'plugin':
    case 'spf':
      return exactTest(key, value, (entry) => entry[key]);
    case 'score':
      return numberTest(key, value, ({ score }) => score);
    case 'domain':
      return { test: (_, domain) => domain === value.toLowerCase(), needles: [] };
    case 'id':
      return partTest(value, ({ filename }) => filename);
    case 'any':
      return partTest(value, (entry) => textOf(entry), '\n');
    case 'from':
      if (value === '<>') return exactTest('from', '', ({ from }) => from);
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

function takeMark(draft: QueryDraft, value: string, not: boolean): string | undefined {
  const mark = value.toLowerCase();
  if (not || (mark !== 'released' && mark !== 'deleted')) return 'is: takes released or deleted';
  draft.mark = mark;
  return undefined;
}
