import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Folder, folderAt } from '../../../src/quarantine/disk/folder.js';
import { maxLine } from '../../../src/lines/json-line.js';
import { indexLine } from '../../../src/quarantine/disk/index-entry.js';
import { appendLines } from '../../../src/quarantine/disk/index-file.js';
import { removeFragment } from '../../../src/quarantine/disk/torn-line.js';
import { entryFor, spamFolder } from '../support.js';

const line = (name: string): string => indexLine(entryFor(name, new Date(0))).toString();
const [old, fresh] = [line('OLD'), line('NEW')];

function indexWith(t: TestContext, content: string): Folder {
  const folder = folderAt(spamFolder(t));
  fs.writeFileSync(folder.index, content);
  return folder;
}

const torn: readonly (readonly [string, string, string])[] = [
  ['a whole file is appended to', old, old + fresh],
  ['an empty file too', '', fresh],
  ['half a line becomes newlines', old + old.slice(0, 50), old + '\n'.repeat(50) + fresh],
  ['half a line alone becomes newlines', old.slice(0, 50), '\n'.repeat(50) + fresh],
  ['one octet becomes a newline', `${old}{`, `${old}\n${fresh}`],
  ['a whole line gets the newline it lacks', old.trimEnd(), old + fresh],
  ['a line longer than any of ours gets a newline', 'x'.repeat(5 * maxLine), `${'x'.repeat(5 * maxLine)}\n${fresh}`],
];

for (const [what, before, after] of torn) {
  test(`appending to an index: ${what}`, async (t) => {
    const folder = indexWith(t, before);
    await appendLines(folder, Buffer.from(fresh));
    assert.equal(fs.readFileSync(folder.index, 'utf8'), after);
  });
}

test('a line that another process is still writing is left to it', async (t) => {
  const folder = indexWith(t, old.slice(0, 50));
  const appended = appendLines(folder, Buffer.from(fresh));
  await delay(30);
  fs.appendFileSync(folder.index, old.slice(50));
  await appended;
  assert.equal(fs.readFileSync(folder.index, 'utf8'), old + fresh);
});

test('several who find the same half line mend it once and lose no line', async (t) => {
  const folder = indexWith(t, old.slice(0, 50));
  const names = Array.from({ length: 8 }, (_, i) => `N${i}`);
  await Promise.all(names.map((name) => appendLines(folder, Buffer.from(line(name)))));
  const lines = fs
    .readFileSync(folder.index, 'utf8')
    .split('\n')
    .filter((text) => text !== '');
  assert.deepEqual(lines.sort(), names.map((name) => line(name).trimEnd()).sort());
});

test('an index that is moved away is noticed', async (t) => {
  const folder = indexWith(t, old);
  const first = appendLines(folder, Buffer.from(fresh));
  fs.renameSync(folder.index, path.join(folder.path, 'index.1'));
  await assert.rejects(first, { code: 'ENOENT' });
  await appendLines(folder, Buffer.from(fresh));
  assert.equal(fs.readFileSync(folder.index, 'utf8'), fresh);
});

const further = line('FURTHER');
for (const [what, left, ours] of [
  ['a copy', old, fresh + further],
  ['a shortened copy', '', fresh + further],
  ['a copy of the last line', '', further],
  ['a long copy', old.repeat(Math.ceil(3_000_000 / old.length)), fresh + further],
] as const)
  test(`no line stays in ${what} that has taken the place of the index`, async (t) => {
    const folder = indexWith(t, old);
    const first = appendLines(folder, Buffer.from(fresh + further));
    assert.equal(fs.readFileSync(folder.index, 'utf8'), old + fresh + further);
    const copy = path.join(folder.path, 'copy');
    fs.writeFileSync(copy, left + ours + old);
    fs.renameSync(copy, folder.index);
    await assert.rejects(first, { code: 'ENOENT' });
    assert.equal(fs.readFileSync(folder.index, 'utf8'), left + '\n'.repeat(ours.length) + old);
    await appendLines(folder, Buffer.from(fresh));
    assert.equal(fs.readFileSync(folder.index, 'utf8').split(fresh.trimEnd()).length, 2);
  });

for (const [what, before] of [
  ['whole', old],
  ['torn', old.slice(0, 50)],
] as const) {
  test(`no line stays in an index whose end is ${what} when a folder beside it cannot be synced`, async (t) => {
    const folder = indexWith(t, before);
    await assert.rejects(appendLines(folder, Buffer.from(fresh), [`${folder.path}/gone`]), { code: 'ENOENT' });
    assert.ok(!fs.readFileSync(folder.index, 'utf8').includes(fresh));
  });
}

test('the folders are not asked for when the index cannot be opened', async (t) => {
  const folder = indexWith(t, '');
  fs.rmSync(folder.index);
  fs.mkdirSync(folder.index);
  await assert.rejects(appendLines(folder, Buffer.from(fresh), [`${folder.path}/gone`]), /no regular file/);
});

const other = line('OTHER');
const fragments: readonly (readonly [string, string, string, string])[] = [
  ['the last half line', old + fresh.slice(0, 60), fresh.slice(0, 60), old + '\n'.repeat(60)],
  ['one with a line of another behind it', fresh.slice(0, 60) + other, fresh.slice(0, 60), '\n'.repeat(60) + other],
  ['not the same beginning of a whole line', old + old.slice(0, 20), old.slice(0, 20), old + '\n'.repeat(20)],
  ['a whole line that could not be synced', old + fresh + other, fresh, old + '\n'.repeat(fresh.length) + other],
  ['nothing when it is not there', old, 'x', old],
];

for (const [what, before, fragment, after] of fragments) {
  test(`taking out what could be written: ${what}`, (t) => {
    const folder = indexWith(t, before);
    removeFragment({ path: folder.index, fragment: Buffer.from(fragment), from: 0 });
    assert.equal(fs.readFileSync(folder.index, 'utf8'), after);
  });
}
