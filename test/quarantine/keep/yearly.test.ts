import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { appendLines } from '../../../src/quarantine/disk/index-file.js';
import { folderAt } from '../../../src/quarantine/disk/folder.js';
import { indexLine } from '../../../src/quarantine/disk/index-entry.js';
import {
  day,
  entriesIn,
  entryFor,
  folderOf,
  namesIn,
  oldFolder,
  quarantineIn,
  request,
  spamFolder,
} from '../support.js';

const today = new Date(2026, 10, 20, 12);
const lastYear = new Date(2025, 10, 20, 12);

function mails(folder: string): readonly string[] {
  return [...namesIn(folder, 'new'), ...namesIn(folder, 'cur')];
}

test("a day's folder from last year is emptied before it is written to", async (t) => {
  const root = spamFolder(t);
  const folder = oldFolder(root, lastYear, { count: 300 });
  fs.writeFileSync(path.join(folder, 'tmp', '1.X_1.h'), 'left over');
  const other = oldFolder(root, lastYear, { domain: 'other.example' });
  const result = await quarantineIn(root, { now: () => today }).archive(request({ time: today }));
  assert.ok(result.kind === 'archived');
  assert.deepEqual(mails(folder), result.filenames);
  assert.deepEqual(
    (await entriesIn(folder)).map((entry) => entry.filename),
    result.filenames,
  );
  assert.deepEqual(namesIn(folder, 'tmp'), []);
  assert.equal(mails(other).length, 2);
  assert.deepEqual(namesIn(root), ['324', 'today']);
});

const kept: readonly (readonly [string, (folder: string) => void, Date, number])[] = [
  ['a folder of today stays', () => undefined, today, 3],
  ['a folder from 179 days ago stays', () => undefined, new Date(today.getTime() - 179 * day), 3],
  ['a folder from the future (the clock was set back) stays', () => undefined, new Date(2027, 10, 20, 12), 3],
  ['a folder without an index is as old as its mails', (folder) => fs.rmSync(path.join(folder, 'index')), lastYear, 1],
  ['so is one whose index cannot be read', (folder) => fs.writeFileSync(path.join(folder, 'index'), 'x'), lastYear, 1],
];

for (const [what, change, time, expected] of kept) {
  test(what, async (t) => {
    const root = spamFolder(t);
    const folder = oldFolder(root, time);
    if (folder !== folderOf(root, today)) fs.renameSync(path.dirname(folder), path.dirname(folderOf(root, today)));
    change(folderOf(root, today));
    const result = await quarantineIn(root, { now: () => today }).archive(request({ time: today }));
    assert.equal(result.kind, 'archived');
    assert.equal(mails(folderOf(root, today)).length, expected);
  });
}

test('a fresh mail in a folder whose index begins in another year stays, with its line', async (t) => {
  const root = spamFolder(t);
  const folder = oldFolder(root, lastYear);
  const fresh = `${Math.floor(today.getTime() / 1000)}.FRESH_1.mx.example`;
  fs.writeFileSync(path.join(folder, 'new', fresh), 'x');
  await appendLines(folderAt(folder), indexLine(entryFor(fresh, today)));
  const result = await quarantineIn(root, { now: () => today }).archive(request({ time: today }));
  assert.ok(result.kind === 'archived');
  assert.deepEqual([...mails(folder)].sort(), [fresh, ...result.filenames].sort());
  assert.deepEqual((await entriesIn(folder)).map((entry) => entry.filename).slice(-2), [fresh, ...result.filenames]);
});

test('a clock that goes a year forward and back again loses nothing written since', async (t) => {
  const root = spamFolder(t);
  let now = today;
  const quarantine = quarantineIn(root, { now: () => now });
  await quarantine.archive(request({ time: now }));
  now = new Date(2027, 10, 20, 12);
  await quarantine.archive(request({ time: now }));
  now = today;
  await quarantine.archive(request({ time: now }));
  await quarantineIn(root, { now: () => now }).archive(request({ time: now }));
  assert.equal(mails(folderOf(root, today)).length, 3);
  assert.equal((await entriesIn(folderOf(root, today))).length, 3);
});

test('while another process empties a folder, a mail waits, and fails after five seconds', async (t) => {
  const root = spamFolder(t);
  const folder = oldFolder(root, lastYear);
  fs.symlinkSync('someone', path.join(root, '.emptying-324-example.com'));
  const quarantine = quarantineIn(root, { now: () => today });
  const start = Date.now();
  const result = await quarantine.archive(request({ time: today }));
  assert.ok(result.kind === 'failed' && !result.full);
  assert.match(result.problem, /^EBUSY: .*324\/example\.com/);
  assert.ok(Date.now() - start >= 5_000);
  assert.equal(mails(folder).length, 2);
  fs.unlinkSync(path.join(root, '.emptying-324-example.com'));
  assert.equal((await quarantine.archive(request({ time: today }))).kind, 'archived');
});

test('the longest domain can be emptied too', async (t) => {
  const root = spamFolder(t);
  const domain = `${'x'.repeat(60)}.`.repeat(4).slice(0, 241) + '.example';
  const folder = oldFolder(root, lastYear, { domain });
  const result = await quarantineIn(root, { now: () => today }).archive(request({ time: today, domain }));
  assert.equal(result.kind, 'archived');
  assert.equal(mails(folder).length, 1);
});
