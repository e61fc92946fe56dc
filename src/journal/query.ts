/**
 * A search over the journal: the words and keys of the quarantine's, and those that only the journal can answer, into
 * a predicate over lines, a pattern that tells which lines are worth a look, and what an hour must hold to be read.
 *
 * A whole address (`from:anna@sender.example`) or domain (`@sender.example`) finds just that, in whatever case; any
 * other text finds where it stands within a word.
 */
import { prefilterOf, type SearchSpan, type SearchTerm, takeDate, termsOf } from '../lines/search-terms.js';
import { exactTest, ipTest, numberTest, partTest, runsOf, type SearchTest, sizeTest } from '../lines/search-tests.js';
import { parseIp } from '../mail/ip.js';
import type { Result } from '../mail/result.js';
import { triedOut } from '../mail/verdict.js';
import { type JournalLine, type JournalVerdict, journalVerdicts } from './line.js';
import { addressesIn, bareId, domainIn } from './tokens.js';

export interface JournalQuery {
  /** Milliseconds; the line's time is not before it. */
  readonly after?: number;
  /** Milliseconds; the line's time is before it. */
  readonly before?: number;
  /** It is true where every line of the days matches. */
  readonly all: boolean;
  readonly prefilter?: RegExp;
  /** They are texts that every matching line holds, in whatever case. */
  readonly needles: readonly string[];
  /** The filter of an hour with a matching line has them (tokens.ts). */
  readonly tokens: readonly string[];
  readonly terms: readonly SearchTerm<JournalKey>[];
  matches(line: JournalLine): boolean;
}

/** What may stand before the colon, and what it finds. */
export const journalKeys = {
  from: 'the sender: of the envelope, or who the mail says it is from; <> for bounces',
  to: 'a recipient',
  subject: 'the subject',
  verdict: 'relayed, taken, rejected, discarded, deferred, refused or turned away',
  after: 'this day or time and later: 2026-11-20, 2026-11-20T14:30, today, yesterday, 7d, 2h',
  before: 'before this day or time',
  domain: 'the hosted domain, whole',
  plugin: 'the plugin that decided, whole',
  would: 'a check that is only tried out (log) and would have done something, whole; * for any',
  reason: 'the reason',
  reply: 'a reply, or its beginning: 451',
  id: 'the ID that the client was told, whole',
  queue: "the MTA's queue id, whole",
  'message-id': 'the Message-ID',
  'header-from': 'who the mail says it is from, alone',
  ip: "the client's address, or a network",
  host: "the client's name",
  helo: 'what the client called itself',
  tls: 'the encryption: no, 1.2, AES',
  spf: 'the SPF result, whole',
  dkim: 'the DKIM result, whole',
  dmarc: 'the DMARC result, whole',
  score: 'the score: >5, <2, 7.5',
  tries: 'which try it was: >1',
  larger: 'mails over this size: 500k, 2m',
  destination: 'the MTA that was asked',
  node: 'the host that wrote it',
} as const;

export type JournalKey = keyof typeof journalKeys;
type JournalTerm = SearchTerm<JournalKey>;

export function parseJournalQuery(text: string, now: Date = new Date()): Result<JournalQuery> {
  const terms: JournalTerm[] = [];
  for (const term of termsOf(text, journalKeys)) {
    if (typeof term === 'string') return { ok: false, problem: term };
    terms.push(term);
  }
  return queryOf(terms, now);
}

/** The same of terms that have been read. */
export function queryOf(terms: readonly JournalTerm[], now: Date = new Date()): Result<JournalQuery> {
  const span: SearchSpan = {};
  const tests: JournalTest['test'][] = [];
  const needles: string[] = [];
  const common: string[] = [];
  const tokens: string[] = [];
  for (const { key, value, not } of terms) {
    const found = key === 'after' || key === 'before' ? takeDate(span, { key, value, not }, now) : testOf(key, value);
    if (typeof found === 'string') return { ok: false, problem: found };
    if (found === undefined) continue;
    tests.push(not ? (line, domain) => !found.test(line, domain) : found.test);
    if (not) continue;
    (commonKeys.has(key) ? common : needles).push(...found.needles);
    tokens.push(...found.tokens);
  }
  const prefilter = prefilterOf(needles) ?? prefilterOf(common);
  const query: JournalQuery = {
    ...span,
    all: tests.length === 0,
    ...(prefilter && { prefilter }),
    needles: [...needles, ...common],
    tokens,
    terms,
    matches: (line) => isWithin(line, span) && tests.every((test) => test(line, '')),
  };
  return { ok: true, value: query };
}

/** Many lines meet them: where there is another term, its text tells more lines apart. */
const commonKeys: ReadonlySet<string> = new Set<JournalKey>([
  'verdict',
  'plugin',
  'would',
  'reply',
  'tls',
  'spf',
  'dkim',
  'dmarc',
  'score',
  'tries',
  'destination',
  'node',
]);

function isWithin({ time }: JournalLine, { after = -Infinity, before = Infinity }: SearchSpan): boolean {
  if (after === -Infinity && before === Infinity) return true;
  const at = Date.parse(time);
  return at >= after && at < before;
}

interface JournalTest extends SearchTest<JournalLine> {
  /** Every matching line has them. */
  readonly tokens: readonly string[];
}

const withTokens = (test: SearchTest<JournalLine>, tokens: readonly string[] = []): JournalTest => ({
  ...test,
  tokens,
});

const tokenless = (test: SearchTest<JournalLine> | string): JournalTest | string =>
  typeof test === 'string' ? test : withTokens(test);

const parts = (value: string, of: (line: JournalLine) => readonly (string | undefined)[]): JournalTest =>
  withTokens(partTest(value, (line) => of(line).join('\n'), '\n'));

function testOf(key: Exclude<JournalKey, 'after' | 'before'> | 'any', value: string): JournalTest | string {
  switch (key) {
    case 'from':
      if (value === '<>') return withTokens(exactTest('from', '', ({ from }) => from));
      return addressTest(value, (line) => [line.from, line.header_from]);
    case 'header-from':
      return addressTest(value, (line) => [line.header_from]);
    case 'to':
      return addressTest(value, (line) => line.to?.map(({ address }) => address) ?? []);
    case 'any':
      return wholeAddress.test(value) ? anyAddress(value) : parts(value, textsOf);
    case 'verdict':
      return verdictTest(value);
    case 'reply':
      return parts(value, (line) => [line.reply, ...(line.to?.map(({ reply }) => reply) ?? [])]);
    case 'id':
      return wholeTest(value, ({ id }) => [id]);
    case 'queue':
      return wholeTest(value, ({ queue, to = [] }) => [queue, ...to.map((one) => one.queue)]);
    case 'domain':
      return wholeTest(value, ({ domain }) => [domain]);
    case 'message-id':
      return parts(value, (line) => [line['message-id']]);
    case 'ip':
      return clientTest(value);
    case 'plugin':
    case 'spf':
    case 'dkim':
    case 'dmarc':
      return withTokens(exactTest(key, value, (line) => line[key]));
    case 'would':
      return tokenless(wouldTest(value));
    case 'tls':
      return value.toLowerCase() === 'no' ? wholeTest('no', ({ tls }) => [tls], []) : parts(value, ({ tls }) => [tls]);
    case 'score':
      return tokenless(numberTest(key, value, ({ score }) => score));
    case 'tries':
      return tokenless(numberTest(key, value, ({ tries }) => tries?.n));
    case 'larger':
      return tokenless(sizeTest(value, ({ size = 0 }) => size));
    default:
      return parts(value, (line) => [line[key]]);
  }
}

/** What is tried out lets the mail pass, and says beside it what it would have done (hooks/run). */
function wouldTest(value: string): SearchTest<JournalLine> {
  const plugin = value.toLowerCase();
  const test = ({ said = [] }: JournalLine): boolean =>
    said.some(
      ([name, word, text]) =>
        word === 'pass' && text?.startsWith(triedOut) === true && (plugin === '*' || name.toLowerCase() === plugin),
    );
  return { test, needles: [`"pass","${triedOut}`] };
}

const searched = [
  'from',
  'header_from',
  'subject',
  'message-id',
  'id',
  'queue',
  'ip',
  'host',
  'helo',
  'reason',
  'reply',
  'filename',
  'domain',
] as const;

const textsOf = (line: JournalLine): readonly (string | undefined)[] =>
  searched.map((key) => line[key]).concat(line.to?.flatMap(({ address, reply }) => [address, reply]) ?? []);

const wholeAddress = /^[^\s<>@,;()"]*@[^\s<>@,;()"]+\.[^\s<>@,;()".]+$/;

type Texts = (line: JournalLine) => readonly (string | undefined)[];

/** A whole address, `@` and a whole domain, or a part of either. */
function addressTest(value: string, of: Texts): JournalTest {
  if (!wholeAddress.test(value)) return parts(value, of);
  const whole = value.toLowerCase();
  const isDomain = whole.startsWith('@');
  const wanted = isDomain ? whole.slice(1) : whole;
  const test = (line: JournalLine): boolean =>
    of(line).some((text) => addressesIn(text).some((one) => (isDomain ? domainIn(one) : one) === wanted));
  return { test, needles: runsOf(value), tokens: [wanted] };
}

/** A Message-ID looks like an address, too. */
function anyAddress(value: string): JournalTest {
  const found = addressTest(value, (line) => [
    line.from,
    line.header_from,
    ...(line.to?.map((to) => to.address) ?? []),
  ]);
  const whole = value.toLowerCase();
  return {
    ...found,
    test: (line, domain) => found.test(line, domain) || bareId(line['message-id']).toLowerCase() === whole,
  };
}

function wholeTest(value: string, of: Texts, tokens = [value.toLowerCase()]): JournalTest {
  const whole = value.toLowerCase();
  return { test: (line) => of(line).some((text) => text?.toLowerCase() === whole), needles: runsOf(value), tokens };
}

function clientTest(value: string): JournalTest | string {
  // A masked line has a network: its first address stands for it.
  const test = ipTest<JournalLine>(value, ({ ip = '' }) => ip.replace(/\/\d+$/, ''));
  if (typeof test === 'string') return test;
  const ip = parseIp(value);
  return withTokens(test, ip ? [ip.text] : []);
}

/** The verdicts that begin so. */
export const verdictsMeant = (value: string): readonly JournalVerdict[] =>
  journalVerdicts.filter((verdict) => verdict.startsWith(value.toLowerCase()));

function verdictTest(value: string): JournalTest | string {
  const meant = verdictsMeant(value);
  if (meant.length === 0) return `verdict: takes ${journalVerdicts.join(', ')}`;
  const needles = meant.length === 1 ? [`"verdict":"${meant[0]}"`] : [];
  return { test: ({ verdict }) => meant.includes(verdict), needles, tokens: [] };
}
