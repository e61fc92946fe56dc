/**
 * Lines of one host's journal on their way into the catalog: those that are not there are put in and counted, those
 * that were masked or erased since are changed there. Again changes nothing.
 */
import { parseJournalLine } from '../../journal/line.js';
import { errorText } from '../../mail/error-text.js';
import { type Database, type Sql, StatementRefused } from '../database.js';
import type { StrangeRow } from '../insert.js';
import { dayText } from '../mail-row.js';
import type { Parts } from '../parts.js';
import { countsOf, type LineCount, type LineKey, type LineRow, textHash, timeText, tokensOf } from './line-row.js';

export interface ShipLinesTo {
  readonly database: Database;
  /** Those of the journal. */
  readonly parts: Parts;
  readonly node: string;
  readonly onStrange: (row: StrangeRow) => void;
}

const maxRows = 500;

/** Returns how many were not there before. All are in the catalog then, or have been put aside. */
export async function shipLines(rows: readonly LineRow[], to: ShipLinesTo): Promise<number> {
  const { missing, changed } = await compared(rows, to);
  let fresh = 0;
  for (let i = 0; i < missing.length; i += maxRows) fresh += await insertLines(missing.slice(i, i + maxRows), to);
  for (let i = 0; i < changed.length; i += maxRows) {
    const some = changed.slice(i, i + maxRows);
    await to.database.transaction((sql) => changeLines(sql, some));
  }
  return fresh;
}

interface Compared {
  readonly missing: readonly LineRow[];
  readonly changed: readonly LineRow[];
}

/** With the first and the last time the planner knows which parts there are to look at. */
const findLines = `
select k.i, md5(j.line) = k.hash as same from json_to_recordset($1::text::json)
  as k(i integer, at timestamptz, host text, start bigint, hash text)
join journal j on j.at = k.at and j.host = k.host and j.start = k.start and j.at between $2 and $3`;

async function compared(rows: readonly LineRow[], { database }: ShipLinesTo): Promise<Compared> {
  if (rows.length === 0) return { missing: [], changed: [] };
  const keys = rows.map(({ at, host, start, text }, i) => ({ i, at: timeText(at), host, start, hash: textHash(text) }));
  const times = keys.map(({ at }) => at).toSorted();
  const found = await database.query<{ i: number; same: boolean }>(findLines, [
    JSON.stringify(keys),
    times[0] ?? '',
    times.at(-1) ?? '',
  ]);
  const known = new Map(found.map(({ i, same }) => [i, same]));
  return {
    missing: rows.filter((_, i) => !known.has(i)),
    changed: rows.filter((_, i) => known.get(i) === false),
  };
}

const insertStatement = `
with given as materialized (
  select * from json_to_recordset($1::text::json) as g(
    at timestamptz, host text, start bigint, tokens integer[], line text, counts json)
), fresh as (
  insert into journal (at, host, start, tokens, line)
  select at, host, start, tokens, line from given on conflict do nothing
  returning at, host, start
), counted as (
  insert into journal_tally (kind, hour, domain, name, lines)
  select c.kind, c.hour, c.domain, c.name, sum(c.lines)
  from given join fresh using (at, host, start), json_to_recordset(given.counts)
    as c(kind text, hour timestamptz, domain text, name text, lines bigint)
  group by 1, 2, 3, 4 order by 1, 2, 3, 4
  on conflict (kind, hour, domain, name) do update set lines = journal_tally.lines + excluded.lines
)
select count(*)::integer as fresh from fresh`;

async function insertLines(rows: readonly LineRow[], to: ShipLinesTo): Promise<number> {
  const days = rows.flatMap(({ at, hour }) => [dayText(at), dayText(hour)]);
  await to.parts.make(days);
  try {
    return await insertAll(rows, to);
  } catch (error) {
    if (!(error instanceof StatementRefused)) throw error;
    // Before a line is blamed: a standby that was behind has perhaps no part of its day.
    await to.parts.makeAnew(days);
    return insertHalving(rows, to);
  }
}

async function insertAll(rows: readonly LineRow[], { database }: ShipLinesTo): Promise<number> {
  const given = rows.map(({ at, host, start, hour, text, line }) => ({
    at: timeText(at),
    host,
    start,
    tokens: tokensOf({ text, line }),
    line: text,
    counts: countsOf(hour, line).map(countRow),
  }));
  const [done] = await database.query<{ fresh: number }>(insertStatement, [JSON.stringify(given)]);
  return done?.fresh ?? 0;
}

const countRow = (count: LineCount): object => ({ ...count, hour: timeText(count.hour) });

async function insertHalving(rows: readonly LineRow[], to: ShipLinesTo): Promise<number> {
  try {
    return await insertAll(rows, to);
  } catch (error) {
    if (!(error instanceof StatementRefused)) throw error;
    const [only] = rows;
    if (only && rows.length === 1) return putAside(only, errorText(error), to);
    const middle = Math.ceil(rows.length / 2);
    return (await insertHalving(rows.slice(0, middle), to)) + (await insertHalving(rows.slice(middle), to));
  }
}

/** The line stands in `strange` once, however often it comes. */
async function putAside({ text, start, hour }: LineRow, problem: string, to: ShipLinesTo): Promise<0> {
  await to.database.query(
    `insert into strange (node, line, problem) select $1, $2, $3
     where not exists (select from strange where node = $1 and line = $2)`,
    [to.node, text, problem],
  );
  to.onStrange({ filename: `journal ${timeText(hour)}:${start}`, problem });
  return 0;
}

const keysIn = `json_to_recordset($1::text::json) as k(at timestamptz, host text, start bigint, line text, tokens integer[])`;

/** Gives lines other texts, and counts them as what they are then. */
export async function changeLines(
  sql: Sql,
  rows: readonly (LineKey & Pick<LineRow, 'hour' | 'text' | 'line'>)[],
): Promise<void> {
  const given = JSON.stringify(
    rows.map((row) => ({
      at: timeText(row.at),
      host: row.host,
      start: row.start,
      line: row.text,
      tokens: tokensOf(row),
    })),
  );
  const before = await sql.query<{ start: number; at: number; host: string; line: string }>(
    `select j.start::float8 as start, extract(epoch from j.at)::float8 * 1000 as at, j.host, j.line
     from ${keysIn} join journal j using (at, host, start) order by j.at, j.host, j.start for update of j`,
    [given],
  );
  const hours = new Map(rows.map((row) => [keyText(row), row]));
  const changes: LineCount[] = [];
  for (const old of before) {
    const row = hours.get(keyText({ ...old, at: Math.round(old.at) }));
    const line = parseJournalLine(old.line);
    if (!row || !line) continue;
    changes.push(...countsOf(row.hour, line).map((count) => ({ ...count, lines: -count.lines })));
    changes.push(...countsOf(row.hour, row.line));
  }
  await sql.query(
    `update journal j set line = k.line, tokens = k.tokens from ${keysIn}
     where j.at = k.at and j.host = k.host and j.start = k.start`,
    [given],
  );
  await countAnew(sql, changes);
}

const keyText = ({ at, host, start }: LineKey): string => `${at} ${host} ${start}`;

async function countAnew(sql: Sql, changes: readonly LineCount[]): Promise<void> {
  const sums = new Map<string, LineCount>();
  for (const change of changes) {
    const key = JSON.stringify([change.kind, change.hour, change.domain, change.name]);
    sums.set(key, { ...change, lines: change.lines + (sums.get(key)?.lines ?? 0) });
  }
  const rows = [...sums.values()].filter(({ lines }) => lines !== 0);
  if (rows.length === 0) return;
  const given = JSON.stringify(rows.map(countRow));
  const from = `json_to_recordset($1::text::json) as c(kind text, hour timestamptz, domain text, name text, lines bigint)`;
  await sql.query(
    `insert into journal_tally (kind, hour, domain, name, lines)
     select kind, hour, domain, name, lines from ${from} order by 1, 2, 3, 4
     on conflict (kind, hour, domain, name) do update set lines = journal_tally.lines + excluded.lines`,
    [given],
  );
  await sql.query(
    `delete from journal_tally t using ${from}
     where t.kind = c.kind and t.hour = c.hour and t.domain = c.domain and t.name = c.name and t.lines <= 0`,
    [given],
  );
}
