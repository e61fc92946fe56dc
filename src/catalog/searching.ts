/**
 * Searches the catalog: day by day, newest first, so many rows at a time. Where no index finds what is asked for, a day
 * is read in slices of its IDs, so that each statement has an end and it is known how far the search has come.
 */
import type { KeptSearch } from '../quarantine/kept-mails.js';
import type { MarkKind } from '../quarantine/disk/mark.js';
import { idTime } from '../smtp/transaction-id.js';
import { addTallied, addTerms, Conditions, hasWord, idIn } from './conditions.js';
import { type Sql, TookTooLong } from './database.js';
import { clean, dayText, entryOf, type RowKey } from './mail-row.js';
import { dayMs } from './parts.js';
import { type FoundRow, keyIn, withFates } from './rows.js';

/** It is either a mail, or how far the search has come. */
export type SearchStep =
  | { readonly kind: 'row'; readonly row: FoundRow }
  /** Everything newer than that has been looked at; `time` is the same in milliseconds. */
  | { readonly kind: 'searched'; readonly to: RowKey; readonly time: number; readonly isLast: boolean };

export async function* searchRows(sql: Sql, search: KeptSearch): AsyncGenerator<SearchStep> {
  const from = keyIn(search.cursor);
  const isAhead = ({ day }: DayPart): boolean => !from || day < from.day || (day === from.day && from.id !== '');
  const days = (await daysFor(sql, search)).filter(isAhead);
  for (const [i, { day, isSealed }] of days.entries()) {
    yield* searchDay(sql, { ...search, day, isSealed, from: from?.day === day ? from : undefined });
    yield { kind: 'searched', to: { day, id: '', n: 0 }, time: Date.parse(day), isLast: i === days.length - 1 };
  }
}

interface DaySearch extends Pick<KeptSearch, 'query'> {
  readonly domains?: KeptSearch['domains'];
  readonly day: string;
  /** Its words have an index. */
  readonly isSealed: boolean;
  /** The search begins behind that. */
  readonly from: RowKey | undefined;
}

const batch = { first: 60, most: 1_000 };

/** A slice has as many rows as can be read in some such time, in milliseconds. */
const slice = { first: 5_000, least: 100, most: 50_000, quickMs: 100, slowMs: 400 };

async function* searchDay(sql: Sql, search: DaySearch): AsyncGenerator<SearchStep> {
  const { query, from } = search;
  let size = isFoundByIndex(search) ? undefined : slice.first;
  let limit = batch.first;
  let before = from;
  for (;;) {
    const began = performance.now();
    let rows: readonly ReadRow[];
    try {
      rows = await readRows(sql, search, { before, size, limit });
    } catch (error) {
      if (!(error instanceof TookTooLong) || size === slice.least) throw error;
      size = size === undefined ? slice.first : Math.max(slice.least, Math.floor(size / 8));
      continue;
    }
    const took = performance.now() - began;
    for (const row of rows) if (row.isHit && query.matches(entryOf(row), row.domain)) yield { kind: 'row', row };
    const last = rows.at(-1);
    if (rows.length < limit && last?.isEnd !== true) return;
    before = last;
    if (rows.length === limit) limit = Math.min(batch.most, limit * 4);
    if (!last?.isEnd || size === undefined) continue;
    const time = idTime(last.id);
    if (time !== undefined) yield { kind: 'searched', to: last, time, isLast: false };
    if (took < slice.quickMs) size = Math.min(slice.most, size * 4);
    else if (took > slice.slowMs) size = Math.max(slice.least, Math.floor(size / 2));
  }
}

/** Then all that matches is read, or as many rows as are wanted from the end of an index, and little else. */
const isFoundByIndex = ({ query, isSealed }: DaySearch): boolean =>
  query.all || idIn(query) !== undefined || (isSealed && hasWord(query));

interface RowsAsked {
  readonly before: RowKey | undefined;
  /** So many rows are read; undefined where an index finds those that match. */
  readonly size: number | undefined;
  readonly limit: number;
}

interface ReadRow extends FoundRow {
  /** It can match. */
  readonly isHit: boolean;
  /** It is the last one of the slice. */
  readonly isEnd: boolean;
}

function readRows(
  sql: Sql,
  { query, domains, day }: DaySearch,
  { before, size, limit }: RowsAsked,
): Promise<readonly ReadRow[]> {
  const where = new Conditions(day);
  if (before) where.add('(m.id, m.n) < (?, ?)', before.id, before.n);
  if (domains) where.add('m.domain = any(?)', [...domains].map(clean));
  if (query.domain !== undefined) where.add('m.domain = ?', clean(query.domain));
  const scope = where.takeText();
  addTerms(where, query);
  addMark(where, query.mark);
  return sql.query<ReadRow>(withFates({ scope, filter: where.text, size, limit }), where.values);
}

const hasFate = `exists (select from fate f
  where f.day = $1::date and f.id = m.id and f.n = m.n and f.kind = ? and f.state = 'done')`;

/** Deleted mails are shown where they are asked for. */
function addMark(where: Conditions, mark: MarkKind | undefined): void {
  if (mark !== undefined) where.add(hasFate, mark);
  if (mark !== 'deleted') where.add(`not ${hasFate}`, 'deleted');
}

interface DayPart {
  readonly day: string;
  readonly isSealed: boolean;
}

/** A mail's ID is made when it begins to come in, so its line may be of the next day. */
const graceMs = dayMs;

/** Clocks may be ahead so far. */
const aheadMs = 3_600_000;

/** The days that can hold what is asked for, newest first; parts are made before their days. */
async function daysFor(sql: Sql, { query, domains }: KeptSearch): Promise<readonly DayPart[]> {
  const id = idIn(query);
  const after = id ? id.time : (query.after ?? -Infinity) - graceMs;
  const before = id ? id.time : Math.min(query.before ?? Infinity, Date.now() + aheadMs);
  const where = new Conditions();
  addTallied(where, query, domains);
  const parts = await sql.query<DayPart>(
    `select part.day::text as day, coalesce(x.indisvalid, false) as "isSealed" from (
       select to_date(right(c.relname, 8), 'YYYYMMDD') as day, c.relname || '_words' as words, c.relnamespace
       from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'mail'::regclass) part
     left join pg_class w on w.relname = part.words and w.relnamespace = part.relnamespace
     left join pg_index x on x.indexrelid = w.oid
     where ${where.text} order by 1 desc`,
    where.values,
  );
  const isAsked = ({ day }: DayPart): boolean =>
    (after === -Infinity || day >= dayText(after)) && day <= dayText(before);
  return parts.filter(isAsked);
}
