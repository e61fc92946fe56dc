/**
 * Whoever else may write below /spam plants links, FIFOs and sockets there: no octet of ours goes elsewhere, and
 * nobody waits.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { checkDay } from '../../src/quarantine/care/check.js';
import { discard } from '../../src/quarantine/care/discard.js';
import { ydayOf } from '../../src/quarantine/disk/day.js';
import { locate } from '../../src/quarantine/disk/mail-ref.js';
import { browse } from '../../src/quarantine/look/browse.js';
import { addMark, dispositionOf } from '../../src/quarantine/look/disposition.js';
import { everything } from '../../src/quarantine/look/query.js';
import { filesBelow } from '../support/files-below.js';
import { day, folderOf, namesIn, oldFolder, quarantineIn, request, spamFolder } from './support.js';

const time = new Date();
const places: readonly (readonly [what: string, place: (folder: string) => string])[] = [
  ['the day', (folder) => path.dirname(folder)],
  ['the domain', (folder) => folder],
  ['new/', (folder) => path.join(folder, 'new')],
  ['tmp/', (folder) => path.join(folder, 'tmp')],
  ['cur/', (folder) => path.join(folder, 'cur')],
  ['the index', (folder) => path.join(folder, 'index')],
];

for (const [what, place] of places) {
  test(`a link in place of ${what} is not followed: the mail is not archived, and nothing is written elsewhere`, async (t) => {
    const [root, elsewhere] = [spamFolder(t), spamFolder(t)];
    const target = path.join(elsewhere, 'target');
    if (what === 'the index') fs.writeFileSync(target, '');
    else fs.cpSync(path.dirname(oldFolder(spamFolder(t), time, { count: 0 })), target, { recursive: true });
    const link = place(folderOf(root, time));
    fs.mkdirSync(path.dirname(link), { recursive: true });
    fs.symlinkSync(target, link);
    const before = filesBelow(elsewhere);
    const result = await quarantineIn(root).archive(request({ time }));
    assert.ok(result.kind === 'failed' && !result.full && result.problem.includes(link), JSON.stringify(result));
    assert.deepEqual(filesBelow(elsewhere), before);
    if (what === 'the index') assert.equal(fs.statSync(target).size, 0);
    assert.deepEqual(
      filesBelow(root).filter((file) => fs.lstatSync(file).isFile() && !file.endsWith('index')),
      [],
    );
  });
}

for (const [what, place] of places.filter(([name]) => name !== 'cur/')) {
  test(`a link that takes the place of ${what} between two mails is not followed either`, async (t) => {
    const [root, elsewhere] = [spamFolder(t), spamFolder(t)];
    const quarantine = quarantineIn(root);
    assert.equal((await quarantine.archive(request({ time }))).kind, 'archived');
    const there = place(folderOf(root, time));
    const moved = path.join(elsewhere, 'moved');
    fs.renameSync(there, moved);
    fs.symlinkSync(moved, there);
    const before = filesBelow(elsewhere).map((file) => [file, fs.statSync(file).size]);
    const result = await quarantine.archive(request({ time }));
    assert.ok(result.kind === 'failed' && !result.full, JSON.stringify(result));
    assert.deepEqual(
      filesBelow(elsewhere).map((file) => [file, fs.statSync(file).size]),
      before,
    );
  });
}

const others: readonly (readonly [what: string, plant: (path: string) => () => void])[] = [
  [
    'a FIFO',
    (file) => {
      execFileSync('mkfifo', [file]);
      return () => undefined;
    },
  ],
  [
    'a socket',
    (file) => {
      const server = net.createServer().listen(file);
      return () => server.close();
    },
  ],
  [
    'a directory',
    (file) => {
      fs.mkdirSync(file);
      return () => undefined;
    },
  ],
  [
    'a link to a FIFO',
    (file) => {
      execFileSync('mkfifo', [`${file}.fifo`]);
      fs.symlinkSync(`${path.basename(file)}.fifo`, file);
      return () => undefined;
    },
  ],
];

for (const [what, plant] of others) {
  test(`${what} is no index: archive, list, search, marks, check and expiry end, and say so`, async (t) => {
    const root = spamFolder(t);
    const folder = oldFolder(root, time, { count: 2 });
    const [filename = ''] = namesIn(folder, 'new');
    const ref = { yday: String(ydayOf(time)), domain: 'example.com', filename };
    fs.rmSync(path.join(folder, 'index'));
    t.after(plant(path.join(folder, 'index')));
    const quarantine = quarantineIn(root);
    const result = await quarantine.archive(request({ time }));
    assert.ok(
      result.kind === 'failed' && /no regular file, move it away '.*index'/.test(result.problem),
      JSON.stringify(result),
    );
    for await (const item of browse({ root, query: everything })) assert.fail(item.ref.filename);
    assert.deepEqual(dispositionOf(root, ref), {});
    assert.ok((await locate(root, ref))?.endsWith(filename), 'the mail is there all the same');
    await assert.rejects(checkDay(folder), /no regular file/);
    await assert.rejects(addMark(root, ref, { kind: 'deleted', by: 'anna' }), /no regular file/);
    assert.equal(await discard(root, ref, 'anna'), 'deleted');
    const late = new Date(time.getTime() + 100 * day);
    assert.deepEqual((await quarantine.expire(late)).problems, []);
    assert.deepEqual([namesIn(folder, 'new'), namesIn(folder, 'cur')], [[], []]);
    assert.ok(fs.lstatSync(path.join(folder, 'index')), 'it is not ours to remove');
  });

  test(`${what} among the mails is no mail, and is counted`, async (t) => {
    const folder = oldFolder(spamFolder(t), time, { count: 1 });
    t.after(plant(path.join(folder, 'new', '5.FIFO_1.mx.example')));
    const { orphans, foreign } = await checkDay(folder, new Date(time.getTime() + day));
    assert.deepEqual([orphans, foreign], [0, what.startsWith('a link') ? 2 : 1]);
  });
}

test('files that are not ours are counted, wherever they are, and stay', async (t) => {
  const folder = oldFolder(spamFolder(t), time, { count: 2 });
  const strange = ['notes.txt', 'new/core', 'cur/odd name:2,S', 'tmp/x', 'index.json.bak'];
  for (const name of strange) fs.writeFileSync(path.join(folder, name), '');
  fs.symlinkSync('index', path.join(folder, 'index.json'));
  assert.equal((await checkDay(folder)).foreign, strange.length);
  for (const name of strange) assert.ok(fs.existsSync(path.join(folder, name)), name);
});

test('folders have the mode of /spam, whatever the mask', async (t) => {
  const mask = process.umask(0o077);
  t.after(() => process.umask(mask));
  for (const mode of [0o2770, 0o750, 0o2775]) {
    const root = spamFolder(t);
    fs.chmodSync(root, mode);
    await quarantineIn(root).archive(request({ time }));
    const folder = folderOf(root, time);
    for (const dir of [path.dirname(folder), folder, ...['new', 'tmp', 'cur'].map((name) => path.join(folder, name))])
      assert.equal((fs.statSync(dir).mode & 0o7777).toString(8), mode.toString(8), dir);
  }
});

test('the link to the index has the name that is asked for, or is not there, and goes with its folder', async (t) => {
  for (const [indexLink, links] of [
    ['', []],
    ['log.json', ['log.json']],
  ] as const) {
    const root = spamFolder(t);
    const quarantine = quarantineIn(root, { indexLink });
    await quarantine.archive(request({ time }));
    assert.deepEqual(namesIn(folderOf(root, time)), ['cur', 'index', ...links, 'new', 'tmp']);
    await quarantineIn(root).expire(new Date(time.getTime() + 100 * day));
    assert.deepEqual(namesIn(root), []);
  }
});
