/** Lines of an index on their way into the catalog: mails as rows, marks as what became of them. */
import type { Mark } from '../../quarantine/disk/mark.js';
import type { Database, Sql } from '../database.js';
import { type Inserted, insertRows, readyRows, type StrangeRow } from '../insert.js';
import { clean, keyOf, type MailRow, rowOf } from '../mail-row.js';
import { isPlausible, type Parts } from '../parts.js';
import type { IndexedLine } from './index-follower.js';

export interface ShipTo {
  readonly database: Database;
  readonly parts: Parts;
  readonly node: string;
  readonly onStrange: (row: StrangeRow) => void;
}

const maxRows = 500;

/** Ships lines; what it has learnt from the last ones makes the next ones cheaper. */
export class RowShipping {
  readonly #to: ShipTo;
  /** After a start nearly all is in the catalog; then asking for it costs less than sending it. */
  #isMostlyKnown = true;

  constructor(to: ShipTo) {
    this.#to = to;
  }

  /** All are in the catalog when this resolves, or have been put aside; returns how many were not there before. */
  async ship(lines: readonly IndexedLine[]): Promise<number> {
    const to = this.#to;
    const rows = lines.flatMap(({ entry, domain }) => plausibleRow(entry && rowOf(entry, domain), entry?.filename, to));
    const missing = this.#isMostlyKnown ? await missingRows(to.database, rows) : rows;
    const fresh = await insertInTurn(to, missing);
    if (rows.length > 0) this.#isMostlyKnown = fresh < rows.length / 2;
    const marks = lines.flatMap(({ mark }) => mark ?? []);
    if (marks.length > 0) await shipMarks(marks, to);
    return fresh;
  }
}

/** While some are on their way, the next ones are made ready. */
async function insertInTurn(to: ShipTo, rows: readonly MailRow[]): Promise<number> {
  let fresh = 0;
  let onTheirWay: Promise<Inserted> | undefined;
  const arrive = async (): Promise<void> => {
    const inserted = await onTheirWay;
    fresh += inserted?.fresh ?? 0;
    for (const row of inserted?.strange ?? []) to.onStrange(row);
  };
  for (let i = 0; i < rows.length; i += maxRows) {
    const ready = readyRows(rows.slice(i, i + maxRows));
    await arrive();
    onTheirWay = insertRows(to, ready);
  }
  await arrive();
  return fresh;
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
