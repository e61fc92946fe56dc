/**
 * Puts rows into the catalog, each once however often it comes, and counts those that are new in the same statement. A
 * row that the server does not take is found by halving, and put aside with the reason. Leaves when to others.
 */
import { errorText } from '../mail/error-text.js';
import { type Database, StatementRefused } from './database.js';
import { insertable, type MailRow } from './mail-row.js';
import type { Parts } from './parts.js';

export interface Inserted {
  /** They were not there before. */
  readonly fresh: number;
  /** They were put aside, and why. */
  readonly strange: readonly StrangeRow[];
}

export interface StrangeRow {
  readonly filename: string;
  readonly problem: string;
}

const insertMails = `
with given as materialized (
  select * from json_to_recordset($1::text::json) as g(
    day date, id text, n integer, domain text, at timestamptz, time text, sender text, recipient text, subject text,
    filename text, ip text, host text, helo text, reason text, plugin text, message_id text, size bigint, spf text,
    score float8, points text, reply text, header_from text, words text, counted text, kind text)
), fresh as (
  insert into mail (day, id, n, node, domain, at, time, sender, recipient, subject, filename, ip, host, helo, reason,
    plugin, message_id, size, spf, score, points, reply, header_from, words)
  select day, id, n, $2, domain, at, time, sender, recipient, subject, filename, ip, host, helo, reason, plugin,
    message_id, size, spf, score, points, reply, header_from, words
  from given on conflict do nothing
  returning day, id, n
), counted as (
  insert into tally (day, domain, plugin, reason, mails, octets)
  select day, domain, counted, kind, count(*), sum(size) from given join fresh using (day, id, n)
  group by day, domain, counted, kind order by day, domain, counted, kind
  on conflict (day, domain, plugin, reason)
  do update set mails = tally.mails + excluded.mails, octets = tally.octets + excluded.octets
)
select (select count(*)::integer from fresh) as fresh,
  array(select g.filename from given g join mail m using (day, id, n) where m.filename <> g.filename)
    as taken`;

export interface InsertTo {
  readonly database: Database;
  readonly parts: Parts;
  readonly node: string;
}

/** Rows as the statement takes them. */
export interface ReadyRows {
  readonly rows: readonly MailRow[];
  readonly json: string;
}

/** Those that are the same row are one. */
export function readyRows(given: readonly MailRow[]): ReadyRows {
  // One statement must not count a row twice.
  const rows = [...new Map(given.map((row) => [`${row.day} ${row.id} ${row.n}`, row])).values()];
  return { rows, json: JSON.stringify(rows.map(insertable)) };
}

/** Rows of one host. Throws SourceDown, and nothing of the rest is in then. */
export async function insertRows(to: InsertTo, ready: ReadyRows): Promise<Inserted> {
  const days = ready.rows.map(({ day }) => day);
  await to.parts.make(days);
  try {
    return await insertAll(to, ready);
  } catch (error) {
    if (!(error instanceof StatementRefused)) throw error;
    // Before a row is blamed: a standby that was behind has perhaps no part of its day.
    await to.parts.makeAnew(days);
    return insertHalving(to, ready);
  }
}

async function insertAll({ database, node }: InsertTo, { rows, json }: ReadyRows): Promise<Inserted> {
  if (rows.length === 0) return { fresh: 0, strange: [] };
  const [done] = await database.query<{ fresh: number; taken: readonly string[] }>(insertMails, [json, node]);
  const taken = new Set(done?.taken);
  const strange = rows.filter(({ filename }) => taken.has(filename));
  return {
    fresh: done?.fresh ?? 0,
    strange: await Promise.all(strange.map((row) => putRowAside(database, node, row, 'another host has this ID'))),
  };
}

async function insertHalving(to: InsertTo, ready: ReadyRows): Promise<Inserted> {
  try {
    return await insertAll(to, ready);
  } catch (error) {
    if (!(error instanceof StatementRefused)) throw error;
    const { rows } = ready;
    const [only] = rows;
    if (only && rows.length === 1)
      return { fresh: 0, strange: [await putRowAside(to.database, to.node, only, errorText(error))] };
    const middle = Math.ceil(rows.length / 2);
    const left = await insertHalving(to, readyRows(rows.slice(0, middle)));
    const right = await insertHalving(to, readyRows(rows.slice(middle)));
    return { fresh: left.fresh + right.fresh, strange: [...left.strange, ...right.strange] };
  }
}

async function putRowAside(database: Database, node: string, row: MailRow, problem: string): Promise<StrangeRow> {
  await putAside(database, node, JSON.stringify(row), problem);
  return { filename: row.filename, problem };
}

/** The line stands in `strange` once, however often it comes. */
export async function putAside(database: Database, node: string, line: string, problem: string): Promise<void> {
  await database.query(
    `insert into strange (node, line, problem) select $1, $2, $3
     where not exists (select from strange where node = $1 and line = $2)`,
    [node, line, problem],
  );
}
