/**
 * Reads the catalog's lines of the journal, newest first: span by span, so that whoever asks hears how far it has come.
 * What a statement finds is at least what can match; the query's own `matches` decides, as it does over files.
 */
import { hourMs } from '../../journal/hours.js';
import { type JournalLine, parseJournalLine } from '../../journal/line.js';
import type { SourceSearch } from '../../journal/journal-source.js';
import { verdictsMeant } from '../../journal/query.js';
import { Conditions } from '../conditions.js';
import type { Sql } from '../database.js';
import { dayMs } from '../parts.js';
import { type LineKey, maxTakenMs, pluginToken, timeText, tokenNumber, verdictToken } from './line-row.js';

export interface FoundLine {
  readonly key: LineKey;
  readonly text: string;
  readonly line: JournalLine;
}

/** A span has been looked through. */
export interface SpanDone {
  /** Milliseconds: everything from then on has been looked at, and the first that is asked for. */
  readonly backTo: number;
  readonly first: number;
  readonly newest: number;
}

export interface LinesAsked extends Pick<SourceSearch, 'domains'> {
  readonly query: Pick<SourceSearch['query'], 'all' | 'after' | 'before' | 'needles' | 'terms' | 'tokens'>;
  /** Lines behind this place in the list, which are older, and those before that one. */
  readonly behind: LineKey | undefined;
  readonly until: LineKey | undefined;
  /** Milliseconds: nothing younger. */
  readonly youngest?: number;
}

/** Clocks may be ahead so far. */
const aheadMs = hourMs;
/** Spans are longer where there is little to look at, and shorter where that takes its time. */
const spans = { first: 4 * hourMs, least: 60_000, growth: 4 };
const pace = { quickMs: 100, slowMs: 400 };
const batch = { first: 60, most: 1_000 };

export async function* linesFor(sql: Sql, asked: LinesAsked): AsyncGenerator<FoundLine | SpanDone> {
  const { query, behind, until, youngest = Infinity } = asked;
  const { after = -Infinity, before = Infinity } = query;
  const oldest = await oldestDay(sql);
  if (oldest === undefined) return;
  const newest = Math.min(before + maxTakenMs, Date.now() + aheadMs, youngest, (behind?.at ?? Infinity) + 1);
  const first = Math.max(oldest, after, until?.at ?? -Infinity);
  // Where every line is wanted, whoever asks soon has enough.
  let spanMs = query.all && !asked.domains ? Infinity : spans.first;
  for (let end = newest; end > first;) {
    const begin = Math.max(first, end - spanMs);
    const { took } = yield* linesOfSpan(sql, asked, { begin, end });
    if (took < pace.quickMs) spanMs *= spans.growth;
    else if (took > pace.slowMs) spanMs = Math.max(spans.least, spanMs / spans.growth);
    end = begin;
    yield { backTo: begin, first, newest };
  }
}

interface Stretch {
  readonly begin: number;
  readonly end: number;
}

/** Returns the milliseconds that the statements took. */
async function* linesOfSpan(
  sql: Sql,
  { query, domains, behind, until }: LinesAsked,
  { begin, end }: Stretch,
): AsyncGenerator<FoundLine, { readonly took: number }> {
  let last = behind;
  let took = 0;
  for (let limit = batch.first; ; limit = Math.min(batch.most, limit * 4)) {
    const where = new Conditions(timeText(begin), timeText(end));
    if (last) where.add('(j.at, j.host, j.start) < (?, ?, ?)', timeText(last.at), last.host, last.start);
    if (until) where.add('(j.at, j.host, j.start) > (?, ?, ?)', timeText(until.at), until.host, until.start);
    if (domains) where.add('j.tokens && ?::integer[]', numbersText(domains));
    for (const term of query.terms) addTerm(where, term);
    if (query.tokens.length > 0) where.add('j.tokens @> ?::integer[]', numbersText(query.tokens));
    for (const needle of query.needles) where.add(`lower(j.line collate "C") like ?`, patternOf(needle));
    const began = performance.now();
    const rows = await sql.query<LineFound>(statement(where.text, limit), where.values);
    took += performance.now() - began;
    for (const { at, host, start, line: text } of rows) {
      last = { at: Math.round(at), host, start };
      const line = parseJournalLine(text);
      if (line) yield { key: last, text, line };
    }
    if (rows.length < limit) return { took };
  }
}

/** Verdicts and plugins, which the filter of an hour's file does not know; a verdict stands in lines just so. */
function addTerm(where: Conditions, { key, value, not }: LinesAsked['query']['terms'][number]): void {
  if (key === 'plugin' && !not) where.add('j.tokens @> ?::integer[]', numbersText([pluginToken(value)]));
  if (key !== 'verdict') return;
  const meant = verdictsMeant(value);
  if (!not) where.add('j.tokens && ?::integer[]', numbersText(meant.map(verdictToken)));
  else for (const verdict of meant) where.add('j.line not like ?', `%"verdict":"${verdict}"%`);
}

interface LineFound {
  readonly at: number;
  readonly host: string;
  readonly start: number;
  readonly line: string;
}

const statement = (where: string, limit: number): string =>
  `select extract(epoch from j.at)::float8 * 1000 as at, j.host, j.start::float8 as start, j.line from journal j
   where j.at >= $1 and j.at < $2 and ${where} order by j.at desc, j.host desc, j.start desc limit ${limit}`;

const numbersText = (tokens: Iterable<string>): string => `{${[...tokens].map(tokenNumber).join(',')}}`;

/** K (the sign of the kelvin) and İ are k and i in lower case for a search, but not for this server. */
const patternOf = (needle: string): string =>
  `%${needle
    .toLowerCase()
    .replace(/[\\%_]/g, '\\$&')
    .replace(/[ki]/g, '_')}%`;

/** The first millisecond of the oldest part. */
export async function oldestDay(sql: Sql): Promise<number | undefined> {
  const [row] = await sql.query<{ day: string | null }>(
    `select to_date(min(right(c.relname, 8)), 'YYYYMMDD')::text as day
     from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'journal'::regclass`,
  );
  return row?.day == null ? undefined : Date.parse(row.day);
}

/** The first day with a line. */
export async function firstLine(sql: Sql): Promise<number | undefined> {
  const [row] = await sql.query<{ at: number | null }>(
    `select extract(epoch from min(hour))::float8 * 1000 as at from journal_tally where kind = 'verdict'`,
  );
  return row?.at == null ? undefined : Math.floor(row.at / dayMs) * dayMs;
}
