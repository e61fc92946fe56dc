/**
 * Addresses that are to be taken out of the journal, as their owners may ask: out of the catalog at once, and out of
 * the files of every host as soon as it looks. The address itself is kept until all of them have done so.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { writeFilter } from '../../journal/care.js';
import { daysOf, hourMs, hoursOf } from '../../journal/hours.js';
import { journalText } from '../../journal/line.js';
import { erasedLine, rewriteHour } from '../../journal/rewrite.js';
import { runsOf } from '../../lines/search-tests.js';
import type { Catalog } from '../catalog.js';
import type { Sql } from '../database.js';
import { type FoundLine, linesFor } from './found-lines.js';
import { changeLines } from './ship-lines.js';

const maxChanges = 200;

/** Returns how many lines of the catalog named it. */
export async function eraseInCatalog(
  catalog: Catalog,
  address: string,
  progress: (share: number) => void,
): Promise<number> {
  const database = await catalog.use();
  await database.query('insert into erasure (address) values ($1)', [address]);
  let count = 0;
  let found: FoundLine[] = [];
  const change = async (): Promise<void> => {
    const rows = found.flatMap(({ key, line }) => {
      const erased = erasedLine(line, address);
      return erased ? [{ ...key, hour: hourIn(key.at), text: journalText(erased).trimEnd(), line: erased }] : [];
    });
    found = [];
    if (rows.length > 0) await database.transaction((sql) => changeLines(sql, rows));
    count += rows.length;
  };
  const asked = {
    query: { all: false, needles: runsOf(address), terms: [], tokens: [] },
    behind: undefined,
    until: undefined,
  };
  for await (const step of linesFor(database, asked)) {
    if (!('line' in step)) progress((step.newest - step.backTo) / (step.newest - step.first));
    else if (found.push(step) >= maxChanges) await change();
  }
  await change();
  return count;
}

const hourIn = (at: number): number => Math.floor(at / hourMs) * hourMs;

/** Takes out of this host's files what others have erased; true where there was something to do. */
export async function followErasures(
  sql: Sql,
  { dir, node, isStopped }: { readonly dir: string; readonly node: string; readonly isStopped: () => boolean },
): Promise<boolean> {
  const erasures = await sql.query<{ number: string; address: string }>(
    `select number, address from erasure e
     where not exists (select from erased d where d.number = e.number and d.node = $1) order by e.number`,
    [node],
  );
  for (const { number, address } of erasures) {
    for (const hour of daysOf(dir).flatMap((day) => hoursOf(dir, day))) {
      if (isStopped()) return true;
      // The hour's filter would still tell that the address was there.
      if (rewriteHour(hour, (line) => erasedLine(line, address)) > 0) await writeFilter(hour, false);
      await breathe();
    }
    await sql.query('insert into erased (number, node) values ($1, $2) on conflict do nothing', [number, node]);
  }
  return erasures.length > 0;
}

/** Addresses go when all hosts have followed, or have no line any more that is so old. */
export async function forgetErasures(sql: Sql, keepMs: number): Promise<void> {
  await sql.query(
    `delete from erasure e where at < clock_timestamp() - make_interval(secs => $1) or not exists (
       select from node n where n.node ~ '^[0-9a-f]{16}$' and n.until > clock_timestamp() - make_interval(secs => $1)
         and not exists (select from erased d where d.number = e.number and d.node = n.node))`,
    [keepMs / 1000],
  );
}
