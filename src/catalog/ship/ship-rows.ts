/** Lines of an index on their way into the catalog: mails as rows, marks as what became of them. */
import type { Mark } from '../../quarantine/disk/mark.js';
import type { Database, Sql } from '../database.js';
import { insertRows, type StrangeRow } from '../insert.js';
import { clean, keyOf, type MailRow, rowOf } from '../mail-row.js';
import { isPlausible, type Parts } from '../parts.js';
import type { IndexedLine } from './index-follower.js';

export interface ShipTo {
  readonly database: Database;
  readonly parts: Parts;
  readonly node: string;
  readonly onStrange: (row: StrangeRow) => void;
}

export interface ShippedRows {
  /** They were not there before. */
  readonly fresh: number;
}

const maxRows = 500;

/** All lines are in the catalog when this resolves, or have been put aside. Again changes nothing. */
export async function shipRows(lines: readonly IndexedLine[], to: ShipTo): Promise<ShippedRows> {
  const rows = lines.flatMap(({ entry, domain }) => plausibleRow(entry && rowOf(entry, domain), entry?.filename, to));
  const missing = await missingRows(to.database, rows);
  let fresh = 0;
  for (let i = 0; i < missing.length; i += maxRows) {
    const inserted = await insertRows(to, missing.slice(i, i + maxRows));
    fresh += inserted.fresh;
    for (const row of inserted.strange) to.onStrange(row);
  }
  const marks = lines.flatMap(({ mark }) => mark ?? []);
  if (marks.length > 0) await shipMarks(marks, to);
  return { fresh };
}

/** A mail whose name tells no day of ours has no place in the catalog; its host keeps it as ever. */
function plausibleRow(row: MailRow | undefined, filename: string | undefined, to: ShipTo): readonly MailRow[] {
  if (row && isPlausible(row.day)) return [row];
  if (filename !== undefined) to.onStrange({ filename, problem: 'its name tells no day that can be' });
  return [];
}

/** Those that the catalog does not have as they are. */
async function missingRows(sql: Sql, rows: readonly MailRow[]): Promise<readonly MailRow[]> {
  if (rows.length === 0) return [];
  const known = await sql.query<{ filename: string }>(
    `select m.filename from json_to_recordset($1::text::json) as k(day date, id text, n integer, filename text)
     join mail m on m.day = k.day and m.id = k.id and m.n = k.n and m.filename = k.filename`,
    [JSON.stringify(rows.map(({ day, id, n, filename }) => ({ day, id, n, filename })))],
  );
  const names = new Set(known.map(({ filename }) => filename));
  return rows.filter(({ filename }) => !names.has(filename));
}

async function shipMarks(marks: readonly Mark[], { database, parts, node }: ShipTo): Promise<void> {
  // A mail may have been released several times: one statement takes the last.
  const fates = marks.flatMap((mark) => {
    const key = keyOf(mark.filename);
    const at = Date.parse(mark.time);
    if (!key || !isPlausible(key.day) || Number.isNaN(at)) return [];
    const { kind, by, detail } = mark;
    return [{ ...key, kind, at: new Date(at).toISOString(), who: clean(by), detail: clean(detail) }];
  });
  const last = new Map(fates.map((fate) => [`${fate.day} ${fate.id} ${fate.n} ${fate.kind}`, fate]));
  await parts.make(fates.map(({ day }) => day));
  await database.query(
    `insert into fate (day, id, n, kind, state, at, who, node, detail)
     select day, id, n, kind, 'done', at, who, $2, detail from json_to_recordset($1::text::json)
       as g(day date, id text, n integer, kind text, at timestamptz, who text, detail text)
     on conflict (day, id, n, kind) do update
     set state = 'done', claim = fate.claim + 1, at = excluded.at, who = excluded.who, node = excluded.node,
       detail = excluded.detail
     where fate.state in ('claimed', 'refused')`,
    [JSON.stringify([...last.values()]), node],
  );
}
