/** Once an hour: days go, lines are masked, filters are made; and an address is erased on demand. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { careForJournal } from '../../src/journal/care.js';
import { mayHold } from '../../src/journal/filter.js';
import { hourAt } from '../../src/journal/hours.js';
import { journalText } from '../../src/journal/line.js';
import { erasedLine, rewriteHour } from '../../src/journal/rewrite.js';
import { folderFor, found, relayed } from './support.js';

const dayMs = 86_400_000;
const now = Date.parse('2026-11-29T12:00:00Z');

function fill(dir: string, ...hours: readonly string[]): void {
  for (const hour of hours) {
    const file = path.join(dir, `${hour}.ndjson`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    const time = `${hour.replace('/', 'T')}:00:00.000Z`;
    fs.appendFileSync(file, journalText({ ...relayed, time, tries: { key: 'abc', n: 1 } }));
  }
}

const care = (dir: string, more: object = {}): ReturnType<typeof careForJournal> =>
  careForJournal({ dir, keepMs: 14 * dayMs, maskMs: 0, now, ...more });

test('days that are too old are removed', async (t) => {
  const dir = folderFor(t);
  fill(dir, '2026-11-10/05', '2026-11-14/05', '2026-11-15/05', '2026-11-29/10');
  assert.deepEqual((await care(dir)).removed, ['2026-11-14', '2026-11-10']);
  assert.deepEqual(fs.readdirSync(dir).toSorted(), ['2026-11-15', '2026-11-29']);
});

test('a clock that is far ahead removes nothing; journal = 0 removes all', async (t) => {
  const dir = folderFor(t);
  fill(dir, '2026-11-28/05', '2026-11-29/10');
  assert.deepEqual((await care(dir, { now: now + 4000 * dayMs })).removed, []);
  assert.deepEqual((await care(dir, { keepMs: 0 })).removed, ['2026-11-29', '2026-11-28']);
});

test('hours that are over get a filter, which tells what they do not hold', async (t) => {
  const dir = folderFor(t);
  fill(dir, '2026-11-29/10', '2026-11-29/12');
  assert.equal((await care(dir)).filters, 1);
  assert.equal((await care(dir)).filters, 0);
  const hour = hourAt(dir, Date.parse('2026-11-29T10:30:00Z'));
  const held = [
    'anna@sender.example',
    'sender.example',
    'alice@example.com',
    'example.com',
    '203.0.113.9',
    '4wxy',
    'abc',
  ];
  for (const token of [...held, '6ad976hbeevn63', '1@sender.example']) assert.ok(mayHold(hour, [token]), token);
  const others = Array.from({ length: 1000 }, (_, i) => `user${i}@other.example`);
  assert.ok(others.filter((token) => mayHold(hour, [token])).length < 100);
});

test('a filter that is torn, cut, of another size or none at all is not believed, and made anew', async (t) => {
  const dir = folderFor(t);
  fill(dir, '2026-11-29/10');
  await care(dir);
  const hour = hourAt(dir, Date.parse('2026-11-29T10:30:00Z'));
  const good = fs.readFileSync(hour.filter);
  assert.ok(!mayHold(hour, ['nobody@other.example']));
  const torn = [
    Buffer.alloc(good.length),
    good.subarray(0, 70),
    Buffer.alloc(0),
    Buffer.concat([good.subarray(0, 64), Buffer.alloc(good.length - 64)]),
    Buffer.from(good.map((octet, i) => (i === 100 ? octet ^ 255 : octet))),
    Buffer.from(good.map((octet, i) => (i === 8 ? 200 : octet))),
  ];
  for (const octets of torn) {
    fs.rmSync(hour.filter);
    fs.writeFileSync(hour.filter, octets);
    assert.ok(mayHold(hour, ['nobody@other.example', 'anna@sender.example']));
    assert.equal((await care(dir)).filters, 1);
    assert.deepEqual(fs.readFileSync(hour.filter), good);
  }
  fill(dir, '2026-11-29/10');
  assert.ok(mayHold(hour, ['nobody@other.example']), 'a line was added when the clock was set back');
  assert.equal((await care(dir)).filters, 1);
});

test('journal_mask: older lines keep domains, verdict and network, and lose who it was', async (t) => {
  const dir = folderFor(t);
  fill(dir, '2026-11-25/10', '2026-11-28/10');
  await care(dir);
  const { masked, problems } = await care(dir, { maskMs: 3 * dayMs });
  assert.deepEqual([masked, problems], [1, []]);
  const [young, old] = (await found(dir)).map(({ line }) => line);
  assert.equal(young?.subject, 'Angebot');
  assert.ok(old);
  const text = fs.readFileSync(path.join(dir, '2026-11-25/10.ndjson'), 'utf8');
  for (const gone of ['anna', 'alice', 'Angebot', '203.0.113.9"', 'abc', 'mail.sender'])
    assert.ok(!text.includes(gone), gone);
  assert.deepEqual(
    [old.verdict, old.from, old.to, old.ip, old.domain, old.queue],
    [
      'relayed',
      '@sender.example',
      [{ address: '@example.com', reply: '250 2.1.5' }],
      '203.0.113.0/24',
      'example.com',
      '4WxY',
    ],
  );
  const filter = hourAt(dir, Date.parse('2026-11-25T10:00:00Z'));
  assert.ok(!mayHold(filter, ['anna@sender.example']), 'the filter has forgotten it, too');
  assert.equal((await found(dir, 'from:@sender.example ip:203.0.113.0/24')).length, 2);
  assert.equal((await care(dir, { maskMs: 3 * dayMs })).masked, 0);
});

test('an address is erased wherever it stands; others stay, and so does whoever appends', (t) => {
  const dir = folderFor(t);
  const hour = hourAt(dir, now);
  fs.mkdirSync(path.dirname(hour.file), { recursive: true });
  const two = [...(relayed.to ?? []), { address: 'Bob@example.com', reply: '550 5.1.1 <bob@example.com>: unknown' }];
  const octets = [
    journalText({ ...relayed, to: two, reason: 'x for BOB@example.com' }),
    journalText({ ...relayed, subject: 'other' }),
    'half a line {"time":"',
  ];
  fs.writeFileSync(hour.file, octets.join(''));
  assert.equal(
    rewriteHour(hour, (line) => erasedLine(line, 'bob@Example.com')),
    1,
  );
  const text = fs.readFileSync(hour.file, 'utf8');
  assert.equal(text.length, octets.join('').length);
  assert.ok(!/bob/i.test(text));
  assert.ok(text.includes('550 5.1.1 <@example.com>: unknown'));
  assert.ok(text.includes('alice@example.com') && text.includes('"subject":"other"'));
});
