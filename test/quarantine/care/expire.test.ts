import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ydayOf } from '../../../src/quarantine/disk/day.js';
import { octetsFrom } from '../../../src/quarantine/care/sized-folders.js';
import type { OwnLimits } from '../../../src/srv/expiry.js';
import { setLinks } from '../../../src/quarantine/disk/links.js';
import { day, folderOf, namesIn, oldFolder, quarantineIn, request, spamFolder } from '../support.js';

const now = new Date(2026, 10, 20, 12);
const ago = (days: number): Date => new Date(now.getTime() - days * day);
const name = (time: Date): string => `${ydayOf(time)}/example.com`;

test('folders older than the days to keep go, the others stay', async (t) => {
  const root = spamFolder(t);
  for (const days of [0, 1, 29, 31, 200]) oldFolder(root, ago(days));
  const result = await quarantineIn(root).expire(now);
  assert.deepEqual(result, { removed: [name(ago(200)), name(ago(31))].sort(), problems: [] });
  const left = [0, 1, 29].map((days) => String(ydayOf(ago(days))));
  assert.deepEqual(namesIn(root), [...left, 'today', 'yesterday'].sort());
  assert.deepEqual(namesIn(folderOf(root, ago(29)), 'new').length, 1);
});

test('one young mail keeps its folder whole', async (t) => {
  const root = spamFolder(t);
  const folder = oldFolder(root, ago(40));
  fs.writeFileSync(path.join(folder, 'cur', `${Math.floor(now.getTime() / 1000)}.N_1.h:2,S`), '');
  assert.deepEqual((await quarantineIn(root).expire(now)).removed, []);
  assert.equal(namesIn(folder, 'cur').length, 2);
});

test('too much: the oldest days go first, until it fits; never today', async (t) => {
  const root = spamFolder(t);
  for (const days of [0, 1, 2, 3]) {
    const folder = oldFolder(root, ago(days), { count: 1 });
    fs.writeFileSync(path.join(folder, 'new', namesIn(folder, 'new')[0] ?? ''), 'x'.repeat(10_000));
  }
  const fit = await quarantineIn(root, { expireOctets: 25_000 }).expire(now);
  assert.deepEqual(fit.removed, [name(ago(3)), name(ago(2))]);
  const tiny = await quarantineIn(root, { expireOctets: 1 }).expire(now);
  assert.deepEqual(tiny.removed, [name(ago(1))]);
  assert.deepEqual(namesIn(root), ['324', 'today']);
});

test('a folder goes when what came since, and itself, is more than there may be, whatever is older', async (t) => {
  const root = spamFolder(t);
  for (const days of [1, 2, 3]) {
    const folder = oldFolder(root, ago(days), { count: 1 });
    fs.writeFileSync(path.join(folder, 'new', namesIn(folder, 'new')[0] ?? ''), 'x'.repeat(10_000));
  }
  const octets = await octetsFrom(root, new Set([path.join(folderOf(root, ago(2)), 'index')]));
  assert.ok(octets >= 20_000 && octets < 30_000, String(octets));
  assert.equal(await octetsFrom(root, new Set()), 0);
  const within = await quarantineIn(root, { expireOctets: octets }).expire(now);
  assert.deepEqual(within.removed, [name(ago(3))]);
  const beyond = await quarantineIn(root, { expireOctets: octets - 1 }).expire(now);
  assert.deepEqual(beyond.removed, [name(ago(2))]);
});

test('no days to keep: nothing is ever too old', async (t) => {
  const root = spamFolder(t);
  oldFolder(root, ago(200));
  assert.deepEqual(await quarantineIn(root, { expireDays: 0 }).expire(now), { removed: [], problems: [] });
});

/** [what, the limits of own.example, which of its days go; 30 days are kept of the others] */
for (const [what, own, gone] of [
  ['a longer time than for all', { kind: 'limits', days: 60 }, [70]],
  ['a shorter time than for all', { kind: 'limits', days: 10 }, [20, 40, 70]],
  ['no end', { kind: 'limits', days: 0 }, []],
  ['a size', { kind: 'limits', octets: 25_000 }, [20, 40, 70]],
  ['a size and no end', { kind: 'limits', octets: 35_000, days: 0 }, [40, 70]],
  ['limits that cannot be understood', { kind: 'broken', problem: 'own.example/expire: what?' }, []],
] as const satisfies readonly (readonly [string, OwnLimits, readonly number[]])[]) {
  test(`a domain may have ${what}, and the others keep to theirs`, async (t) => {
    const root = spamFolder(t);
    const days = [0, 1, 20, 40, 70];
    for (const domain of ['own.example', 'other.example']) {
      for (const age of days) {
        const folder = oldFolder(root, ago(age), { count: 1, domain });
        fs.writeFileSync(path.join(folder, 'new', namesIn(folder, 'new')[0] ?? ''), 'x'.repeat(10_000));
      }
    }
    const ownLimits = (domain: string): OwnLimits | undefined => (domain === 'own.example' ? own : undefined);
    const { removed, problems } = await quarantineIn(root, { ownLimits }).expire(now);
    const expected = [
      ...gone.map((age) => `${ydayOf(ago(age))}/own.example`),
      ...[40, 70].map((age) => `${ydayOf(ago(age))}/other.example`),
    ];
    assert.deepEqual([...removed].sort(), expected.sort());
    assert.deepEqual(problems, own.kind === 'broken' ? [own.problem] : []);
  });
}

test('the size of all takes the oldest days, whatever a domain has of its own', async (t) => {
  const root = spamFolder(t);
  oldFolder(root, ago(40), { domain: 'own.example' });
  oldFolder(root, ago(2), { domain: 'other.example' });
  const ownLimits = (): OwnLimits => ({ kind: 'limits', days: 0 });
  const { removed } = await quarantineIn(root, { ownLimits, expireOctets: 1000 }).expire(now);
  assert.deepEqual(removed, [`${ydayOf(ago(40))}/own.example`]);
});

test('it says how far it is', async (t) => {
  const root = spamFolder(t);
  for (const days of [1, 2, 3]) oldFolder(root, ago(days));
  const said: string[] = [];
  await quarantineIn(root, { expireOctets: 100_000 }).expire(now, (done, all) => said.push(`${done}/${all}`));
  assert.deepEqual(said, ['0/3', '1/3', '2/3', '0/3', '1/3', '2/3']);
});

for (const [what, at, spared] of [
  ['just after midnight yesterday', new Date(2026, 10, 21, 0, 30), [324, 325]],
  ["just before midnight tomorrow's number", new Date(2026, 10, 20, 23, 30), [324, 325]],
] as const) {
  test(`${what} may still be written to, and is spared`, async (t) => {
    const root = spamFolder(t);
    oldFolder(root, new Date(2026, 10, 20, 12));
    oldFolder(root, new Date(2025, 10, 21, 12));
    oldFolder(root, new Date(2026, 10, 19, 12));
    const { removed } = await quarantineIn(root, { expireOctets: 1 }).expire(at);
    assert.deepEqual(removed, ['323/example.com']);
    assert.deepEqual(
      namesIn(root).filter((entry) => /^\d/.test(entry)),
      spared.map(String),
    );
  });
}

test('only what looks like ours is removed, and no link is followed', async (t) => {
  const root = spamFolder(t);
  const elsewhere = spamFolder(t);
  const old = ago(100);
  const target = oldFolder(elsewhere, old);
  fs.symlinkSync(path.dirname(target), path.join(root, '12'));
  fs.mkdirSync(path.join(root, '13'));
  fs.symlinkSync(target, path.join(root, '13/example.com'));
  const linked = path.join(root, '14/example.com');
  fs.mkdirSync(path.join(linked, 'new'), { recursive: true });
  fs.symlinkSync(path.join(target, 'cur'), path.join(linked, 'cur'));
  fs.utimesSync(path.join(linked, 'new'), old, old);
  for (const file of ['notes.txt', '367/example.com/new/1.A_1.h', '15/README', '16/example.com/new/sub/1.A_1.h']) {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    fs.writeFileSync(path.join(root, file), '');
  }
  const mixed = oldFolder(root, old, { domain: 'mixed.example' });
  fs.writeFileSync(path.join(mixed, 'notes.txt'), '');
  const { problems } = await quarantineIn(root).expire(now);
  assert.deepEqual(problems, []);
  assert.equal(namesIn(target, 'new').length + namesIn(target, 'cur').length, 2);
  assert.deepEqual(namesIn(mixed), ['notes.txt']);
  for (const file of [
    'notes.txt',
    '12',
    '13/example.com',
    '14/example.com/cur',
    '367/example.com/new/1.A_1.h',
    '15/README',
    '16/example.com/new/sub/1.A_1.h',
  ]) {
    assert.ok(fs.lstatSync(path.join(root, file), { throwIfNoEntry: false }), file);
  }
});

test('left-overs go when they are old enough, and nothing else', async (t) => {
  const root = spamFolder(t);
  const folder = oldFolder(root, ago(1));
  const files: readonly (readonly [string, number, boolean])[] = [
    [path.join(folder, 'tmp/old'), 37, false],
    [path.join(folder, 'tmp/young'), 35, true],
    [path.join(root, '.emptying-5-example.com'), 2, false],
    [path.join(root, '.today-x'), 2, false],
    [path.join(root, '.today-y'), 0.5, true],
    [path.join(root, '.operator'), 200, true],
  ];
  for (const [file, hours] of files) {
    if (/\/tmp\/[a-z]+$|operator$/.test(file)) fs.writeFileSync(file, '');
    else fs.symlinkSync('x', file);
    const time = new Date(now.getTime() - hours * 3_600_000);
    fs.lutimesSync(file, time, time);
  }
  await quarantineIn(root).expire(now);
  for (const [file, , stays] of files) {
    assert.equal(fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined, stays, file);
  }
});

test('a root that is not there is a problem, not an exception', async (t) => {
  const { removed, problems } = await quarantineIn(path.join(spamFolder(t), 'gone')).expire(now);
  assert.deepEqual(removed, []);
  assert.match(problems.join(), /ENOENT/);
});

test('links: wrong ones are replaced, dangling ones go, what is no link stays', (t) => {
  const root = spamFolder(t);
  fs.mkdirSync(path.join(root, '324'));
  fs.symlinkSync('300', path.join(root, 'today'));
  fs.symlinkSync('299', path.join(root, 'yesterday'));
  setLinks(root, now);
  assert.equal(fs.readlinkSync(path.join(root, 'today')), '324');
  assert.deepEqual(namesIn(root), ['324', 'today']);
  fs.mkdirSync(path.join(root, 'yesterday'));
  fs.mkdirSync(path.join(root, '323'));
  setLinks(root, now);
  assert.ok(fs.lstatSync(path.join(root, 'yesterday')).isDirectory());
});

test('yesterday of the first of January is the last of December', (t) => {
  const root = spamFolder(t);
  for (const yday of ['1', '365', '366']) fs.mkdirSync(path.join(root, yday));
  setLinks(root, new Date(2027, 0, 1, 0, 5));
  assert.equal(fs.readlinkSync(path.join(root, 'yesterday')), '365');
  setLinks(root, new Date(2029, 0, 1, 0, 5));
  assert.equal(fs.readlinkSync(path.join(root, 'yesterday')), '366');
});

test('expiry beside running archives loses none of them', async (t) => {
  const root = spamFolder(t);
  const quarantine = quarantineIn(root, { expireOctets: 1 });
  const time = new Date();
  for (let i = 2; i < 20; i++) oldFolder(root, new Date(time.getTime() - i * day), { count: 20 });
  const archives = Array.from({ length: 50 }, () => quarantine.archive(request({ time })));
  const [first, second] = await Promise.all([quarantine.expire(), quarantineIn(root, { expireOctets: 1 }).expire()]);
  const results = await Promise.all(archives);
  assert.ok(results.every((result) => result.kind === 'archived'));
  assert.equal(namesIn(folderOf(root, time), 'new').length, 50);
  assert.deepEqual([...first.problems, ...second.problems], []);
  await quarantine.expire();
  assert.deepEqual(namesIn(root), [String(ydayOf(time)), 'today']);
});
