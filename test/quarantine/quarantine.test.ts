import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { checkDay } from '../../src/quarantine/care/check.js';
import { about, entriesIn, folderOf, namesIn, quarantineIn, request, spamFolder, text } from './support.js';

test('a mail is in new/ with its recipient and our fields on top, octets unchanged, and in the index', async (t) => {
  const root = spamFolder(t);
  const time = new Date('2026-11-20T12:00:00.5Z');
  const octets = Buffer.from('Subject: =?utf-8?q?=C3=BC?=\r\n\r\n\x00\xff.\r\n..\r\nno newline at the end', 'latin1');
  const result = await quarantineIn(root).archive({
    ...request({ id: 'ABC', time, about: { subject: 'ü', spf: 'fail' } }),
    message: { size: octets.length, parts: () => [octets.subarray(0, 9), octets.subarray(9)] },
  });
  const filename = '1795176000.ABC_1.mx.example';
  assert.deepEqual(result, { kind: 'archived', filenames: [filename] });
  const folder = folderOf(root, time);
  const top = Buffer.from('Recipient: foo@example.com\r\nX-HELO: helo.example\r\n');
  const file = fs.readFileSync(path.join(folder, 'new', filename));
  assert.deepEqual(file, Buffer.concat([top, octets]));
  const [entry] = await entriesIn(folder);
  const expected = { ...about, subject: 'ü', spf: 'fail', recipient: 'foo@example.com', filename, size: file.length };
  assert.deepEqual({ ...entry, time: Date.parse(entry?.time ?? '') }, { ...expected, time: time.getTime() });
});

test('a folder is a maildir with an index, and nothing else stands in /spam', async (t) => {
  const root = spamFolder(t);
  const time = new Date();
  await quarantineIn(root).archive(request({ time }));
  const folder = folderOf(root, time);
  assert.deepEqual(namesIn(folder), ['cur', 'index', 'index.json', 'new', 'tmp']);
  assert.equal(fs.readlinkSync(path.join(folder, 'index.json')), 'index');
  assert.deepEqual(namesIn(root), [path.basename(path.dirname(folder)), 'today']);
  assert.deepEqual(namesIn(folder, 'tmp'), []);
});

test('each refused recipient has a copy and a line', async (t) => {
  const root = spamFolder(t);
  const time = new Date();
  const recipients = Array.from({ length: 40 }, (_, i) => `user${i}@example.com`);
  const copies = recipients.map((recipient) => ({ recipient, head: Buffer.from(`X-RCPT-TO: ${recipient}\r\n`) }));
  const result = await quarantineIn(root).archive(request({ time, copies }));
  const entries = await entriesIn(folderOf(root, time));
  assert.equal(result.kind, 'archived');
  assert.deepEqual(
    entries.map((entry) => entry.recipient),
    recipients,
  );
  for (const { filename, recipient, size } of entries) {
    const mail = fs.readFileSync(path.join(folderOf(root, time), 'new', filename));
    assert.equal(mail.toString(), `Recipient: ${recipient}\r\nX-RCPT-TO: ${recipient}\r\n${text}`);
    assert.equal(size, mail.length);
  }
});

async function* chunks(count: number): AsyncGenerator<Buffer> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(65_536, i);
}

for (const [what, promised, given, expected] of [
  ['a spooled mail of 3 MB is archived', 48, 48, 'archived'],
  ['a spool that ends too early is no mail', 48, 47, 'failed'],
  ['a spool that is longer than promised is no mail', 48, 49, 'failed'],
] as const) {
  test(what, async (t) => {
    const root = spamFolder(t);
    const time = new Date();
    const message = { size: promised * 65_536, parts: () => chunks(given) };
    const result = await quarantineIn(root).archive({ ...request({ time }), message });
    assert.equal(result.kind, expected);
    assert.equal(namesIn(folderOf(root, time), 'new').length, expected === 'archived' ? 1 : 0);
    assert.deepEqual(namesIn(folderOf(root, time), 'tmp'), []);
  });
}

test('a spool that breaks is no mail, and no copy of it stays', async (t) => {
  const root = spamFolder(t);
  const time = new Date();
  const parts = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.alloc(100);
    throw new Error('EIO: spool');
  };
  const copies = ['a', 'b', 'c'].map((recipient) => ({ recipient, head: Buffer.alloc(0) }));
  const result = await quarantineIn(root).archive({ ...request({ time, copies }), message: { size: 200, parts } });
  assert.deepEqual(result, { kind: 'failed', full: false, problem: 'EIO: spool' });
  for (const dir of ['tmp', 'new']) assert.deepEqual(namesIn(folderOf(root, time), dir), []);
  assert.deepEqual(await entriesIn(folderOf(root, time)), []);
});

for (const [what, domain] of [
  ['..', '..'],
  ['a leading dot', '.hidden'],
  ['a slash', 'a/b'],
  ['an absolute path', '/etc'],
  ['NUL', 'a\0b'],
  ['nothing', ''],
  ['256 octets', 'x'.repeat(256)],
] as const) {
  test(`a domain that is ${what} is no folder`, async (t) => {
    const root = spamFolder(t);
    const result = await quarantineIn(root).archive(request({ domain }));
    assert.equal(result.kind, 'failed');
    assert.deepEqual(namesIn(root), []);
  });
}

for (const [what, changes] of [
  ['an id with a slash', { id: '../X' }],
  ['an empty id', { id: '' }],
  ['no time', { time: new Date(NaN) }],
  ['no recipient', { copies: [] }],
] as const) {
  test(`a mail with ${what} is not archived`, async (t) => {
    const root = spamFolder(t);
    assert.equal((await quarantineIn(root).archive(request(changes))).kind, 'failed');
    assert.deepEqual(namesIn(root), []);
  });
}

test('a hostname with a slash and a colon names a mail as maildir(5) says, and an endless one is cut', async (t) => {
  const root = spamFolder(t);
  const time = new Date('2026-11-20T12:00:00Z');
  await quarantineIn(root, { hostname: 'a/b:c ü' }).archive(request({ id: 'A', time }));
  await quarantineIn(root, { hostname: 'x'.repeat(300) }).archive(request({ id: 'B', time }));
  const names = namesIn(folderOf(root, time), 'new');
  assert.deepEqual(names, ['1795176000.A_1.a\\057b\\072c\\040\\303\\274', `1795176000.B_1.${'x'.repeat(128)}`]);
});

test('a recipient cannot forge a field', async (t) => {
  const root = spamFolder(t);
  const time = new Date();
  const copies = [{ recipient: 'a\r\nX-Forged: 1\u202e@example.com', head: Buffer.alloc(0) }];
  await quarantineIn(root).archive(request({ time, copies }));
  const [name = ''] = namesIn(folderOf(root, time), 'new');
  const mail = fs.readFileSync(path.join(folderOf(root, time), 'new', name), 'utf8');
  assert.equal(mail, `Recipient: a??X-Forged: 1?@example.com\r\n${text}`);
});

test('a hundred mails in the same millisecond all have their own file and line', async (t) => {
  const root = spamFolder(t);
  const time = new Date();
  const quarantine = quarantineIn(root);
  const results = await Promise.all(Array.from({ length: 100 }, () => quarantine.archive(request({ time }))));
  assert.ok(results.every((result) => result.kind === 'archived'));
  const names = namesIn(folderOf(root, time), 'new');
  assert.equal(names.length, 100);
  assert.deepEqual((await entriesIn(folderOf(root, time))).map((entry) => entry.filename).sort(), names);
});

test('an id used twice does not replace the first mail', async (t) => {
  const root = spamFolder(t);
  const time = new Date();
  const quarantine = quarantineIn(root);
  assert.equal((await quarantine.archive(request({ id: 'SAME', time, text: 'first' }))).kind, 'archived');
  assert.equal((await quarantine.archive(request({ id: 'SAME', time, text: 'second' }))).kind, 'failed');
  const [name = ''] = namesIn(folderOf(root, time), 'new');
  assert.match(fs.readFileSync(path.join(folderOf(root, time), 'new', name), 'utf8'), /first$/);
  assert.equal((await entriesIn(folderOf(root, time))).length, 1);
});

test('a mail that cannot get its name fails alone, whoever comes with it', async (t) => {
  const root = spamFolder(t);
  const time = new Date();
  const quarantine = quarantineIn(root);
  await quarantine.archive(request({ id: 'SAME', time }));
  const ids = ['A', 'B', 'SAME', 'C', 'D'];
  const results = await Promise.all(ids.map((id) => quarantine.archive(request({ id, time }))));
  assert.deepEqual(
    results.map(({ kind }) => kind),
    ids.map((id) => (id === 'SAME' ? 'failed' : 'archived')),
  );
  const names = namesIn(folderOf(root, time), 'new');
  assert.equal(names.length, 5);
  assert.deepEqual((await entriesIn(folderOf(root, time))).map((entry) => entry.filename).sort(), names);
  assert.deepEqual(namesIn(folderOf(root, time), 'tmp'), []);
});

for (const what of ['', 'new', 'tmp', 'index']) {
  test(`when an operator removes ${what === '' ? 'the folder' : what} it is made again`, async (t) => {
    const root = spamFolder(t);
    const time = new Date();
    const quarantine = quarantineIn(root);
    await quarantine.archive(request({ time }));
    fs.rmSync(path.join(folderOf(root, time), what), { recursive: true });
    const result = await quarantine.archive(request({ time }));
    assert.equal(result.kind, 'archived');
    const names = result.kind === 'archived' ? result.filenames : [];
    assert.deepEqual(
      namesIn(folderOf(root, time), 'new').filter((name) => names.includes(name)),
      names,
    );
    assert.equal((await entriesIn(folderOf(root, time))).at(-1)?.filename, names[0]);
  });
}

/** A folder that others write to: what comes between looking into it and removing it is removed at the next turn. */
function removed(folder: string): void {
  for (let left = 100; ; left--) {
    try {
      return fs.rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

test('folders removed again and again under running archives lose no answered mail for good', async (t) => {
  const root = spamFolder(t);
  const time = new Date();
  const quarantine = quarantineIn(root);
  const stop = new AbortController();
  const write = async (): Promise<void> => {
    while (!stop.signal.aborted) await quarantine.archive(request({ time }));
  };
  const writers = [write(), write(), write(), write()];
  for (let i = 0; i < 10; i++) {
    await delay(20);
    removed(folderOf(root, time));
  }
  stop.abort();
  await Promise.all(writers);
  const last = await quarantine.archive(request({ time }));
  assert.equal(last.kind, 'archived');
  const check = await checkDay(folderOf(root, time));
  assert.deepEqual({ ...check, missing: 0 }, { rebuilt: false, orphans: 0, missing: 0, finished: 0, foreign: 0 });
});

test('a mail from before midnight lies in its own day, the links follow the clock', async (t) => {
  const root = spamFolder(t);
  const evening = new Date(2026, 10, 20, 23, 59, 59, 900);
  const morning = new Date(2026, 10, 21, 0, 0, 0, 100);
  let now = evening;
  const quarantine = quarantineIn(root, { now: () => now });
  await quarantine.archive(request({ time: evening }));
  assert.deepEqual(namesIn(root), ['324', 'today']);
  now = morning;
  await quarantine.archive(request({ time: evening }));
  await quarantine.archive(request({ time: morning }));
  assert.deepEqual(namesIn(root), ['324', '325', 'today', 'yesterday']);
  assert.equal(fs.readlinkSync(path.join(root, 'today')), '325');
  assert.equal(fs.readlinkSync(path.join(root, 'yesterday')), '324');
  assert.equal(namesIn(root, '324/example.com/new').length, 2);
  assert.equal(namesIn(root, '325/example.com/new').length, 1);
});

test('no descriptor stays open when the last archive has ended', async (t) => {
  const root = spamFolder(t);
  const quarantine = quarantineIn(root);
  await Promise.all(Array.from({ length: 30 }, (_, i) => quarantine.archive(request({ domain: `d${i % 7}.example` }))));
  assert.deepEqual(
    openFiles().filter((file) => file.startsWith(root)),
    [],
  );
});

const openFiles = (): readonly string[] =>
  fs.readdirSync('/proc/self/fd').map((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return 'the descriptor that listed the others';
    }
  });

test('close waits for the archives under way', async (t) => {
  const root = spamFolder(t);
  const quarantine = quarantineIn(root);
  let done = 0;
  for (let i = 0; i < 5; i++) void quarantine.archive(request()).then(() => done++);
  await quarantine.close();
  assert.equal(done, 5);
});
