/**
 * Searches the catalog: day by day, newest first, so many rows at a time. Where no index finds what is asked for, a day
 * is read in slices of its IDs' time, so that each statement has an end and it is known how far the search has come.
 */
import type { KeptSearch } from '../quarantine/kept-mails.js';
import type { MarkKind } from '../quarantine/disk/mark.js';
import { firstIdAt, idTime } from '../smtp/transaction-id.js';
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

/** A slice is as wide as can be read in some such time, in milliseconds. */
const sliceMs = { first: 600_000, least: 1_000, quick: 100, slow: 400 };

async function* searchDay(sql: Sql, search: DaySearch): AsyncGenerator<SearchStep> {
  const { query, day, from } = search;
  const dayBegins = Date.parse(day);
  let width = isFoundByIndex(search) ? dayMs : sliceMs.first;
  let limit = batch.first;
  let before = from;
  let end = timeIn(from) ?? Math.min(dayBegins + dayMs, Date.now());
  for (;;) {
    const begin = end - width;
    const down = begin > dayBegins ? firstIdAt(begin) : undefined;
    const began = performance.now();
    let rows: readonly FoundRow[];
    try {
      rows = await readRows(sql, search, { before, down, limit });
    } catch (error) {
      if (!(error instanceof TookTooLong) || width <= sliceMs.least) throw error;
      width /= 8;
      continue;
    }
    const took = performance.now() - began;
    for (const row of rows) if (query.matches(entryOf(row), row.domain)) yield { kind: 'row', row };
    if (rows.length === limit) {
      before = rows.at(-1);
      end = timeIn(before) ?? end;
      limit = Math.min(batch.most, limit * 4);
      continue;
    }
    if (down === undefined) return;
    before = { day, id: down, n: 0 };
    end = begin;
    yield { kind: 'searched', to: before, time: begin, isLast: false };
    if (took < sliceMs.quick) width *= 4;
    else if (took > sliceMs.slow) width = Math.max(sliceMs.least, width / 2);
  }
}

const timeIn = (key: RowKey | undefined): number | undefined => key && idTime(key.id);

/** Then all that matches is read, or as many rows as are wanted from the end of an index, and little else. */
const isFoundByIndex = ({ query, isSealed }: DaySearch): boolean =>
  query.all || idIn(query) !== undefined || (isSealed && hasWord(query));

interface RowsAsked {
  readonly before: RowKey | undefined;
  /** No ID is below it. */
  readonly down: string | undefined;
  readonly limit: number;
}

function readRows(
  sql: Sql,
  { query, domains, day }: DaySearch,
  { before, down, limit }: RowsAsked,
): Promise<readonly FoundRow[]> {
  const where = new Conditions(day);
  if (before) where.add('(m.id, m.n) < (?, ?)', before.id, before.n);
  if (down !== undefined) where.add('m.id >= ?', down);
  if (domains) where.add('m.domain = any(?)', [...domains].map(clean));
  addTerms(where, query);
  addMark(where, query.mark);
  return sql.query<FoundRow>(withFates(where.text, limit), where.values);
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
