/** Waits until the catalog has the journal of all hosts as it stands in their files: each line once, counted once. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../../src/catalog/database.js';
import { daysOf, hoursOf } from '../../../src/journal/hours.js';
import { itemsIn } from '../../../src/journal/reader.js';

/** `dirs`: the folders `state/journal`, to which nobody writes any more. */
export async function journalSettled(database: Database, dirs: readonly string[]): Promise<number> {
  const lines = dirs.flatMap((dir) =>
    daysOf(dir).flatMap((day) => hoursOf(dir, day).flatMap(({ file }) => textsIn(file))),
  );
  let found: readonly string[] = [];
  for (const late = Date.now() + 240_000; found.length < lines.length && Date.now() < late; await sleep(250))
    found = await database.query<{ line: string }>('select line from journal').then(
      (rows) => rows.map(({ line }) => line),
      () => [],
    );
  assert.deepEqual(found.toSorted(), lines.toSorted());
  const [sum] = await database.query<{ lines: number }>(
    `select sum(lines)::integer as lines from journal_tally where kind = 'verdict'`,
  );
  assert.equal(sum?.lines, lines.length, 'tallies of the journal are its lines');
  return lines.length;
}

function textsIn(file: string): readonly string[] {
  const octets = fs.readFileSync(file);
  return itemsIn({ octets, start: 0 }).map(({ start, length }) =>
    octets.toString('utf8', start, start + length).trimEnd(),
  );
}
