/** The days' parts of the tables: made before they are needed, indexed when nobody writes to them, removed when old. */
import type { Database, Sql } from './database.js';
import { dayText } from './mail-row.js';

export const dayMs = 86_400_000;

/** Parts are made for the days until then. */
const aheadMs = 2 * dayMs;
/** An ID of an earlier day is none of ours. */
const firstDay = '2000-01-01';

/** May the day have a part? */
export const isPlausible = (day: string, now = Date.now()): boolean => day >= firstDay && day <= dayText(now + aheadMs);

export class Parts {
  readonly #database: Database;
  readonly #make: 'make_parts' | 'make_journal_parts';
  readonly #made = new Set<string>();

  /** `make`: the function that makes a day's. */
  constructor(database: Database, make: 'make_parts' | 'make_journal_parts' = 'make_parts') {
    this.#database = database;
    this.#make = make;
  }

  async make(days: Iterable<string>): Promise<void> {
    for (const day of new Set(days)) {
      if (this.#made.has(day)) continue;
      await this.#database.query(`select ${this.#make}($1)`, [day]);
      this.#made.add(day);
    }
  }

  /** What was made may be gone. */
  makeAnew(days: Iterable<string>): Promise<void> {
    this.#made.clear();
    return this.make(days);
  }

  makeAhead(now = Date.now()): Promise<void> {
    return this.make([0, dayMs, aheadMs].map((ahead) => dayText(now + ahead)));
  }
}

/** A day is closed so long after its end: then hardly anybody writes to it any more. */
const closedAfterMs = 6 * 3_600_000;

/** It finds words; on a part that is written to it would cost six times what the rest does. */
const wordsIndex = (part: string): string => `${part}_words`;

/** Makes the index of words on parts of closed days that have none; returns their names. Takes its time. */
export async function sealParts(database: Database, now = Date.now()): Promise<readonly string[]> {
  const lastClosed = dayText(now - closedAfterMs - dayMs);
  const parts = await database.query<{ part: string; isBroken: boolean; isOurs: boolean }>(
    `select c.relname as part, x.indexrelid is not null as "isBroken", pg_has_role(c.relowner, 'usage') as "isOurs"
     from pg_inherits i join pg_class c on c.oid = i.inhrelid
     left join pg_class n on n.relname = c.relname || '_words' and n.relnamespace = c.relnamespace
     left join pg_index x on x.indexrelid = n.oid
     where i.inhparent = 'mail'::regclass and right(c.relname, 8) <= $1 and (x.indexrelid is null or not x.indisvalid)
     order by c.relname desc`,
    [lastClosed.replaceAll('-', '')],
  );
  for (const { part, isBroken, isOurs } of parts) {
    if (!isOurs) {
      // Only the owner makes an index that holds up no writer, for no function can.
      await database.query('select seal_part($1)', [part]);
      continue;
    }
    // Somebody was killed while he made it.
    if (isBroken) await database.query(`drop index if exists ${wordsIndex(part)}`);
    await database.query(
      `create index concurrently if not exists ${wordsIndex(part)} on ${part} using gin (words gin_trgm_ops)`,
    );
  }
  return parts.map(({ part }) => part);
}

/** Removes what is older than so many milliseconds by the server's clock; returns the first day that stays. */
export const dropOldParts = (sql: Sql, keepMs: number): Promise<string> => drop(sql, 'drop_parts', keepMs);

/** The same of the journal. */
export const dropOldLines = (sql: Sql, keepMs: number): Promise<string> => drop(sql, 'drop_journal_parts', keepMs);

async function drop(sql: Sql, by: 'drop_parts' | 'drop_journal_parts', keepMs: number): Promise<string> {
  const [row] = await sql.query<{ day: string }>(
    `select before::text as day from (
       select ((clock_timestamp() at time zone 'UTC') - make_interval(secs => $1))::date as before offset 0) old,
     ${by}(before)`,
    [keepMs / 1000],
  );
  if (!row) throw new Error('the catalog says nothing of its days');
  return row.day;
}
