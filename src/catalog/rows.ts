/** The catalog's rows of mails, with what became of each. Leaves which of them are read to searching.ts. */
import type { ListItem } from '../quarantine/look/browse.js';
import type { Mark, MarkKind } from '../quarantine/disk/mark.js';
import type { Sql } from './database.js';
import { clean, entryOf, type MailRow, refOf, type RowKey } from './mail-row.js';

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
  m.host, m.helo, m.reason, m.plugin, m.message_id, m.size::float8 as size, m.spf, m.score, m.points,
  m.reply, m.header_from,
  coalesce((select node.host from node where node.node = m.node), m.node) as node,
  fate.kind as fate, ${isoText('fate.at')} as fate_at, fate.who as fate_who, fate.detail as fate_detail`;

export interface RowsOfDay {
  /** Conditions that an index of the part is read by. */
  readonly scope: string;
  /** The others. */
  readonly filter: string;
  /** So many rows of the scope are looked at, whichever of them match; undefined: an index finds these. */
  readonly size: number | undefined;
  readonly limit: number;
}

/** Rows of a slice: those that match, and its last one. A limit is what has the planner read it by an index. */
const sliceOf = ({ scope, filter, size, limit }: RowsOfDay): string => `
  select s.* from (
    select m.*, (${filter}) as "isHit", row_number() over (order by m.id desc, m.n desc) = ${size} as "isEnd"
    from mail m where m.day = $1::date and ${scope} order by m.id desc, m.n desc limit ${size}) s
  where s."isHit" or s."isEnd" order by s.id desc, s.n desc limit ${limit}`;

const found = ({ scope, filter, limit }: RowsOfDay): string => `
  select m.*, true as "isHit", false as "isEnd" from mail m where m.day = $1::date and ${scope} and ${filter}
  order by m.day desc, m.id desc, m.n desc limit ${limit}`;

/**
 * Those rows of one day, with the newest of what became of each. `$1` is the day: a part is chosen by what the planner
 * can see.
 */
export const withFates = (rows: RowsOfDay): string => `select ${columns}, m."isHit", m."isEnd" from (
  ${rows.size === undefined ? found(rows) : sliceOf(rows)}) m
  left join lateral (
    select f.kind, f.at, f.who, f.detail from fate f
    where f.day = $1::date and f.id = m.id and f.n = m.n and f.state = 'done' and f.kind in ('released', 'deleted')
    order by f.at desc limit 1) fate on true
  order by m.id desc, m.n desc`;

const oneRow: RowsOfDay = { scope: 'm.id = $2 and m.n = $3', filter: 'true', size: undefined, limit: 1 };

export async function rowAt(sql: Sql, { day, id, n }: RowKey): Promise<FoundRow | undefined> {
  const [row] = await sql.query<FoundRow>(withFates(oneRow), [day, id, n]);
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
