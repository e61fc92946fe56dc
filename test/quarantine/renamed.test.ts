/** What mail readers make of a mail's name, and that it is the same mail afterwards. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { checkDay } from '../../src/quarantine/care/check.js';
import { discard } from '../../src/quarantine/care/discard.js';
import { release, type ReleaseOptions } from '../../src/quarantine/care/release.js';
import { ydayOf } from '../../src/quarantine/disk/day.js';
import { mailKey, mailName, nameOfHost } from '../../src/quarantine/disk/folder.js';
import { locate, parseRef } from '../../src/quarantine/disk/mail-ref.js';
import { keptOnDisk } from '../../src/quarantine/kept-on-disk.js';
import { openKeptMail } from '../../src/quarantine/look/kept-mail.js';
import { mailsNamed } from '../../src/cli/named-mails.js';
import { day, folderOf, namesIn, quarantineIn, request, spamFolder } from './support.js';

const time = new Date();

const names: readonly (readonly [reader: string, rename: (name: string) => string])[] = [
  ['mutt', (name) => `cur/${name}:2,S`],
  ['GNU mailutils', (name) => `cur/${name},a=O,u=7:2,S`],
  ['Dovecot', (name) => `cur/${name},S=512,W=530:2,FS`],
  ['Dovecot with keywords', (name) => `cur/${name}:2,Sabc`],
  ['a reader that leaves it in new/', (name) => `new/${name},S=512`],
  ['a reader with flags of its own', (name) => `cur/${name}:1,x`],
  ['one that ends it', (name) => `cur/${name}:2,`],
  ['one that changes the host', (name) => `cur/${name.replace('mx.example', 'imap.example')}:2,S`],
];

for (const [reader, rename] of names) {
  test(`${reader}: found by ID, path and name, released, deleted; check has nothing to mend`, async (t) => {
    const root = spamFolder(t);
    const quarantine = quarantineIn(root);
    await quarantine.archive(request({ time, id: 'KEPT' }));
    await quarantine.archive(request({ time, id: 'OTHER' }));
    const folder = folderOf(root, time);
    const [filename = '', other = ''] = namesIn(folder, 'new');
    const renamed = rename(filename);
    fs.renameSync(path.join(folder, 'new', filename), path.join(folder, renamed));
    const file = path.join(folder, renamed);
    const ref = { yday: String(ydayOf(time)), domain: 'example.com', filename };
    for (const word of ['KEPT', 'kept_1', `${ref.yday}/example.com/${filename}`, file])
      assert.equal((await mailsNamed(word, keptOnDisk(root)))[0]?.entry?.subject, 'hello', word);
    assert.equal(await locate(root, ref), file);
    assert.ok(openKeptMail(file)?.recipient);
    assert.deepEqual(await checkDay(folder, new Date(time.getTime() + day)), {
      rebuilt: false,
      orphans: 0,
      missing: 0,
      finished: 0,
      foreign: 0,
    });
    const relay: ReleaseOptions['relay'] = { send: () => Promise.resolve({ kind: 'accepted', text: 'ok' }) };
    const options = {
      root,
      relay,
      hostname: 'mx.example',
      by: 'anna',
      form: 'raw',
      again: false,
      hasUser: () => true,
    } as const;
    assert.equal((await release(ref, options)).kind, 'released');
    assert.equal(
      (await release(parseRef(`${ref.yday}/example.com/${path.basename(renamed)}`) ?? ref, options)).kind,
      reader.includes('host') ? 'released' : 'already',
    );
    assert.equal(await discard(root, ref, 'anna'), 'deleted');
    assert.deepEqual([...namesIn(folder, 'cur'), ...namesIn(folder, 'new')], [other]);
  });
}

test('an index that is lost comes back with the names that the mails were archived under', async (t) => {
  const root = spamFolder(t);
  await quarantineIn(root).archive(request({ time, id: 'KEPT' }));
  const folder = folderOf(root, time);
  const [filename = ''] = namesIn(folder, 'new');
  fs.renameSync(path.join(folder, 'new', filename), path.join(folder, 'cur', `${filename},S=1,W=2:2,S`));
  fs.rmSync(path.join(folder, 'index'));
  assert.equal((await checkDay(folder, new Date(time.getTime() + day))).orphans, 1);
  assert.equal((await mailsNamed('KEPT', keptOnDisk(root)))[0]?.ref.filename, filename);
});

test('no hostname makes a name that looks as if a reader had changed it, or hides the ID', () => {
  for (const hostname of ['a,b', 'a:2,S', 'x.FAKE_7.y', '', ',', '\\054', 'ü']) {
    const name = mailName(time, 'ID', 1, nameOfHost(hostname));
    assert.equal(parseRef(`1/example.com/${name},S=1:2,S`)?.filename, name);
    assert.equal(mailKey(name), 'ID_1');
  }
});
