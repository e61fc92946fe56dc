import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { checkDay } from '../../../src/quarantine/care/check.js';
import { parseHeader } from '../../../src/mail/header.js';
import { headlineOf } from '../../../src/mail/shown/headline.js';
import type { IndexEntry } from '../../../src/quarantine/disk/index-entry.js';
import { markLine } from '../../../src/quarantine/disk/mark.js';
import { day, entriesIn, folderOf, namesIn, oldFolder, quarantineIn, request, spamFolder } from '../support.js';

const time = new Date(2026, 10, 20, 12);
const later = new Date(Date.now() + 3_600_000);

const head = Buffer.from(
  [
    'Received: from x by y',
    'Received-SPF: Fail (not allowed) client-ip=192.0.2.1;',
    'X-HELO: helo.example',
    'X-REMOTE-IP: 192.0.2.1',
    'X-REMOTE-HOST: host.example',
    'X-MAIL-FROM: a@example.net',
    'X-RCPT-TO: foo@example.com',
    'X-REJECT-REASON: No such user',
    'X-REJECT-PLUGIN: valid_users',
    '',
  ].join('\r\n'),
);

const text =
  'X-HELO: forged\r\nFrom: =?utf-8?q?J=C3=BCrgen?= <a@example.net>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n and more\r\nMessage-ID: <1@example.net>\r\n\r\nbody\r\n';

/** What a mail does not say: milliseconds, and the reply that it got. */
const ofTheMail = (entry: IndexEntry): object => ({
  ...entry,
  time: Math.floor(Date.parse(entry.time) / 1000),
  reply: undefined,
});

test('an index is rebuilt from its maildir with the very entries that were lost', async (t) => {
  const root = spamFolder(t);
  const quarantine = quarantineIn(root);
  for (let i = 0; i < 3; i++) {
    const copies = [{ recipient: 'foo@example.com', head }];
    const about = { ...headlineOf(parseHeader(Buffer.from(text))), spf: 'fail' };
    await quarantine.archive(request({ time, copies, text, about }));
  }
  const folder = folderOf(root, time);
  const before = (await entriesIn(folder)).map(ofTheMail);
  fs.rmSync(path.join(folder, 'index'));
  assert.deepEqual(await checkDay(folder, later), { rebuilt: true, orphans: 3, missing: 0, finished: 0, foreign: 0 });
  const rebuilt = await entriesIn(folder);
  assert.deepEqual(rebuilt.map(ofTheMail), before);
  assert.deepEqual([rebuilt[0]?.subject, rebuilt[0]?.headerFrom], ['Grüße and more', 'Jürgen <a@example.net>']);
  assert.deepEqual(await checkDay(folder, later), { rebuilt: false, orphans: 0, missing: 0, finished: 0, foreign: 0 });
});

test('good lines stay, broken ones go, a glued one is freed, orphans are added, a mail that is gone is counted', async (t) => {
  const root = spamFolder(t);
  const folder = oldFolder(root, time, { count: 4 });
  const index = path.join(folder, 'index');
  const [first = '', second = '', third = ''] = fs.readFileSync(index, 'utf8').split('\n');
  fs.writeFileSync(index, `${first}\nbroken\n${second.slice(0, 100)}${second}\n${third}\n${third.slice(0, 20)}`);
  fs.unlinkSync(path.join(folder, 'new', namesIn(folder, 'new')[0] ?? ''));
  assert.deepEqual(await checkDay(folder, later), { rebuilt: true, orphans: 1, missing: 1, finished: 0, foreign: 0 });
  const lines = fs
    .readFileSync(index, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  assert.deepEqual(lines.slice(0, 3), [first, second, third]);
  assert.match(lines[3] ?? '', /OLD3_1\.mx\.example"/);
  assert.equal(lines.length, 4);
});

test("a mail's own claim of an SPF result is not ours", async (t) => {
  const root = spamFolder(t);
  const folder = oldFolder(root, time, { count: 0 });
  fs.writeFileSync(
    path.join(folder, 'new', '5.A_1.h'),
    'Recipient: a@b\r\nX-REJECT-PLUGIN: p\r\nReceived-SPF: pass\r\n\r\n',
  );
  fs.writeFileSync(path.join(folder, 'new', 'odd name'), '');
  assert.equal((await checkDay(folder, later)).orphans, 2);
  const [entry, odd] = await entriesIn(folder);
  assert.equal(entry?.spf, undefined);
  assert.equal(entry?.recipient, 'a@b');
  assert.equal(odd?.filename, 'odd name');
});

test('a mail that is just being archived is not taken for an orphan', async (t) => {
  const root = spamFolder(t);
  const folder = oldFolder(root, time, { count: 0 });
  fs.writeFileSync(path.join(folder, 'new', '5.A_1.h'), '');
  assert.deepEqual(await checkDay(folder), { rebuilt: false, orphans: 0, missing: 0, finished: 0, foreign: 0 });
});

test('a mail whose line outlived its way out of tmp/ is finished if it is whole, and nothing of half a one is', async (t) => {
  const root = spamFolder(t);
  const folder = oldFolder(root, time, { count: 4 });
  const names = namesIn(folder, 'new').concat(namesIn(folder, 'cur').map((name) => name.replace(':2,S', '')));
  const entries = await entriesIn(folder);
  const octets = (name: string): Buffer =>
    Buffer.alloc(entries.find(({ filename }) => filename === name)?.size ?? 0, 'x');
  for (const dir of ['new', 'cur']) for (const name of namesIn(folder, dir)) fs.rmSync(path.join(folder, dir, name));
  const [whole = '', half = '', deleted = '', gone = ''] = names;
  fs.writeFileSync(path.join(folder, 'tmp', whole), octets(whole));
  fs.writeFileSync(path.join(folder, 'tmp', half), octets(half).subarray(1));
  fs.writeFileSync(path.join(folder, 'tmp', deleted), octets(deleted));
  fs.appendFileSync(
    path.join(folder, 'index'),
    markLine({ time: time.toISOString(), kind: 'deleted', filename: deleted, by: 'anna', detail: '' }),
  );
  assert.notEqual(gone, '');
  assert.deepEqual(await checkDay(folder), { rebuilt: false, orphans: 0, missing: 3, finished: 0, foreign: 0 });
  assert.deepEqual(await checkDay(folder, later), { rebuilt: false, orphans: 0, missing: 2, finished: 1, foreign: 0 });
  assert.deepEqual(namesIn(folder, 'new'), [whole]);
  assert.deepEqual(namesIn(folder, 'tmp'), [half, deleted].toSorted());
});

test('what a killed process left in tmp/ goes after 36 hours', async (t) => {
  const root = spamFolder(t);
  const folder = oldFolder(root, time);
  fs.writeFileSync(path.join(folder, 'tmp', 'x'), '');
  await checkDay(folder, new Date(Date.now() + 1.4 * day));
  assert.deepEqual(namesIn(folder, 'tmp'), ['x']);
  await checkDay(folder, new Date(Date.now() + 1.6 * day));
  assert.deepEqual(namesIn(folder, 'tmp'), []);
});
