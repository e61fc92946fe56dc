/** Reads the catalog's rows of mails with what became of them: day by day, newest first, so many at a time. */
import type { KeptSearch } from '../quarantine/kept-mails.js';
import type { ListItem } from '../quarantine/look/browse.js';
import type { Mark, MarkKind } from '../quarantine/disk/mark.js';
import { addTerms, Conditions, idIn } from './conditions.js';
import type { Sql } from './database.js';
import { clean, dayText, entryOf, type MailRow, refOf, type RowKey } from './mail-row.js';
import { dayMs } from './parts.js';

export interface FoundRow extends MailRow {
  /** The host that refused it. */
  readonly node: string;
  readonly fate: MarkKind | null;
  readonly fate_at: string | null;
  readonly fate_who: string | null;
  readonly fate_detail: string | null;
}

const isoText = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const columns = `m.day::text as day, m.id, m.n, m.domain, m.time, m.sender, m.recipient, m.subject, m.filename, m.ip,
  m.host, m.helo, m.reason, m.plugin, m.message_id, m.size::float8 as size, m.spf, m.reply, m.header_from,
  coalesce((select node.host from node where node.node = m.node), m.node) as node,
  fate.kind as fate, ${isoText('fate.at')} as fate_at, fate.who as fate_who, fate.detail as fate_detail`;

/**
 * Those rows of one day, with the newest of what became of each. `$1` is the day: a part is chosen by what the planner
 * can see.
 */
const withFates = (where: string, limit: number): string => `select ${columns} from (
  select * from mail m where m.day = $1::date and ${where} order by m.day desc, m.id desc, m.n desc limit ${limit}) m
  left join lateral (
    select f.kind, f.at, f.who, f.detail from fate f
    where f.day = $1::date and f.id = m.id and f.n = m.n and f.state = 'done' order by f.at desc limit 1) fate on true
  order by m.id desc, m.n desc`;

export async function rowAt(sql: Sql, { day, id, n }: RowKey): Promise<FoundRow | undefined> {
  const [row] = await sql.query<FoundRow>(withFates('m.id = $2 and m.n = $3', 1), [day, id, n]);
  return row;
}

export const markOf = ({ fate, fate_at, fate_who, fate_detail, filename }: FoundRow): Mark | undefined =>
  fate === null
    ? undefined
    : { kind: fate, time: fate_at ?? '', by: fate_who ?? '', detail: fate_detail ?? '', filename };

export function itemOf(row: FoundRow): ListItem {
  const mark = markOf(row);
  return { ref: refOf(row), entry: entryOf(row), ...(mark && { mark }), cursor: cursorOf(row) };
}

export const cursorOf = ({ day, id, n }: RowKey): string =>
  Buffer.from(JSON.stringify([day, id, n])).toString('base64url');

/** Reads a cursor, which a client sends back; undefined for one that we did not make. */
export function keyIn(cursor: string | undefined): RowKey | undefined {
  if (cursor === undefined) return undefined;
  try {
    const [day, id, n]: unknown[] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    if (typeof day !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(day) || Number.isNaN(Date.parse(day))) return undefined;
    if (typeof id !== 'string' || !Number.isInteger(n)) return undefined;
    return { day, id: clean(id), n: Number(n) };
  } catch {
    return undefined;
  }
}

export const isNewer = (a: RowKey, b: RowKey): boolean =>
  a.day !== b.day ? a.day > b.day : a.id !== b.id ? a.id > b.id : a.n > b.n;

/** It is either a mail, or the end of a day that has been looked through. */
export type RowStep =
  | { readonly kind: 'row'; readonly row: FoundRow }
  | { readonly kind: 'day'; readonly day: string; readonly isLast: boolean };

const batch = { first: 60, most: 1_000 };

export async function* rowsFor(sql: Sql, { query, domains, cursor }: KeptSearch): AsyncGenerator<RowStep> {
  const from = keyIn(cursor);
  const days = (await daysFor(sql, query)).filter((day) => from === undefined || day <= from.day);
  for (const [i, day] of days.entries()) {
    const before = from?.day === day ? from : undefined;
    for await (const row of rowsOfDay(sql, { query, domains, day, before })) yield { kind: 'row', row };
    yield { kind: 'day', day, isLast: i === days.length - 1 };
  }
}

interface DaySearch extends Pick<KeptSearch, 'query'> {
  readonly domains: KeptSearch['domains'] | undefined;
  readonly day: string;
  readonly before: RowKey | undefined;
}

async function* rowsOfDay(sql: Sql, { query, domains, day, before }: DaySearch): AsyncGenerator<FoundRow> {
  let last = before;
  for (let limit = batch.first; ; limit = Math.min(batch.most, limit * 4)) {
    const where = new Conditions(day);
    if (last) where.add('(m.id, m.n) < (?, ?)', last.id, last.n);
    if (domains) where.add('m.domain = any(?)', [...domains].map(clean));
    addTerms(where, query);
    addMark(where, query.mark);
    const rows = await sql.query<FoundRow>(withFates(where.text, limit), where.values);
    for (const row of rows) if (query.matches(entryOf(row), row.domain)) yield row;
    last = rows.at(-1);
    if (rows.length < limit) return;
  }
}

const hasFate = `exists (select from fate f
  where f.day = $1::date and f.id = m.id and f.n = m.n and f.kind = ? and f.state = 'done')`;

/** Deleted mails are shown where they are asked for. */
function addMark(where: Conditions, mark: MarkKind | undefined): void {
  if (mark !== undefined) where.add(hasFate, mark);
  if (mark !== 'deleted') where.add(`not ${hasFate}`, 'deleted');
}

/** A mail's ID is made when it begins to come in, so its line may be of the next day. */
const graceMs = dayMs;

/** Clocks may be ahead so far. */
const aheadMs = 3_600_000;

/** The days that have a part and can hold what is asked for, newest first; parts are made before their days. */
async function daysFor(sql: Sql, query: KeptSearch['query']): Promise<readonly string[]> {
  const id = idIn(query);
  const after = id ? id.time : (query.after ?? -Infinity) - graceMs;
  const before = id ? id.time : Math.min(query.before ?? Infinity, Date.now() + aheadMs);
  const parts = await sql.query<{ day: string }>(
    `select to_date(right(c.relname, 8), 'YYYYMMDD')::text as day from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'mail'::regclass order by 1 desc`,
  );
  const isAsked = (day: string): boolean => (after === -Infinity || day >= dayText(after)) && day <= dayText(before);
  return parts.map(({ day }) => day).filter(isAsked);
}
