/** Disks that are full, have no inode left, or may not be written to. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { ArchiveResult } from '../../src/quarantine/quarantine.js';
import { entriesIn, folderOf, namesIn, oldFolder, day, quarantineIn, request, smallDisk } from './support.js';

const time = new Date();

/** What must hold whatever the disk did: mails and lines agree, nothing is half done. */
async function agrees(root: string, results: readonly ArchiveResult[]): Promise<void> {
  const folder = folderOf(root, time);
  const archived = results.flatMap((result) => (result.kind === 'archived' ? result.filenames : [])).sort();
  assert.deepEqual(namesIn(folder, 'new'), archived);
  assert.deepEqual((await entriesIn(folder)).map((entry) => entry.filename).sort(), archived);
  assert.deepEqual(namesIn(folder, 'tmp'), []);
  const index = fs.readFileSync(path.join(folder, 'index'), 'utf8');
  for (const line of index.split('\n')) if (line !== '') JSON.parse(line);
  assert.match(index, /\n$/);
}

const failures = (results: readonly ArchiveResult[]): readonly ArchiveResult[] =>
  results.filter((result) => result.kind === 'failed');

for (const [what, options, size] of [
  ['a full disk', 'size=2m', 100_000],
  ['a full disk, small mails', 'size=300k', 10],
  ['no inodes', 'size=64m,nr_inodes=40', 100],
] as const) {
  test(`${what}: mails fail whole, nothing stays of them, and the next one works as soon as there is room`, async (t) => {
    const root = smallDisk(t, options);
    if (root === undefined) return;
    const quarantine = quarantineIn(root);
    const results: ArchiveResult[] = [];
    for (let i = 0; i < 200; i++) {
      const subject = 's'.repeat((i * 131) % 2000);
      results.push(await quarantine.archive(request({ time, text: 'x'.repeat(size), about: { subject } })));
    }
    const failed = failures(results);
    assert.ok(failed.length > 0 && failed.length < results.length);
    for (const result of failed) {
      assert.ok(result.kind === 'failed' && result.full);
      assert.match(result.problem, new RegExp(`^ENOSPC: .*'${root}/`));
    }
    await agrees(root, results);
    for (const name of namesIn(folderOf(root, time), 'new').slice(0, 5)) {
      fs.unlinkSync(path.join(folderOf(root, time), 'new', name));
    }
    assert.equal((await quarantine.archive(request({ time }))).kind, 'archived');
  });

  test(`${what}: copies for several recipients all or none, twenty mails at a time`, async (t) => {
    const root = smallDisk(t, options);
    if (root === undefined) return;
    const quarantine = quarantineIn(root);
    const copies = ['a', 'b', 'c'].map((recipient) => ({ recipient, head: Buffer.alloc(0) }));
    const send = (): Promise<ArchiveResult> => quarantine.archive(request({ time, copies, text: 'x'.repeat(size) }));
    const results: ArchiveResult[] = [];
    for (let i = 0; i < 10; i++) results.push(...(await Promise.all(Array.from({ length: 20 }, send))));
    assert.ok(failures(results).length > 0);
    await agrees(root, results);
  });
}

test('a disk without room for a single folder fails, and works when there is room', async (t) => {
  const root = smallDisk(t, 'size=1m,nr_inodes=3');
  if (root === undefined) return;
  const quarantine = quarantineIn(root);
  const result = await quarantine.archive(request({ time }));
  assert.ok(result.kind === 'failed' && result.full);
  execFileSync('mount', ['-o', 'remount,nr_inodes=100', root]);
  assert.equal((await quarantine.archive(request({ time }))).kind, 'archived');
});

test('a read-only disk fails without being called full, and works again at once; an idle quarantine does not keep it busy', async (t) => {
  const root = smallDisk(t, 'size=4m');
  if (root === undefined) return;
  const quarantine = quarantineIn(root);
  const first = await quarantine.archive(request({ time }));
  execFileSync('mount', ['-o', 'remount,ro', root]);
  const during = await quarantine.archive(request({ time }));
  assert.ok(during.kind === 'failed' && !during.full);
  assert.match(during.problem, /^EROFS: /);
  execFileSync('mount', ['-o', 'remount,rw', root]);
  const after = await quarantine.archive(request({ time }));
  assert.deepEqual(failures([first, after]), []);
  await agrees(root, [first, after]);
});

test('expiry makes room on a disk without inodes', async (t) => {
  const root = smallDisk(t, 'size=4m,nr_inodes=40');
  if (root === undefined) return;
  oldFolder(root, new Date(Date.now() - 100 * day), { count: 10 });
  for (let i = 0; ; i++) {
    try {
      fs.writeFileSync(path.join(root, `.fill${i}`), '');
    } catch {
      break;
    }
  }
  const quarantine = quarantineIn(root);
  assert.equal((await quarantine.archive(request({ time }))).kind, 'failed');
  const { removed, problems } = await quarantine.expire();
  assert.deepEqual([removed.length, problems], [1, []]);
  assert.equal((await quarantine.archive(request({ time }))).kind, 'archived');
});

test('a root that is a file, or whose parent is not there, fails', async (t) => {
  const root = smallDisk(t, 'size=4m');
  if (root === undefined) return;
  fs.writeFileSync(path.join(root, 'file'), '');
  for (const place of ['file', 'no/such']) {
    const result = await quarantineIn(path.join(root, place)).archive(request({ time }));
    assert.ok(result.kind === 'failed' && !result.full);
  }
});
