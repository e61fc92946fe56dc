import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { everything } from '../../../src/quarantine/look/query.js';
import { collectStats } from '../../../src/quarantine/look/stats.js';
import { Tally } from '../../../src/quarantine/look/tally.js';
import { rfc3339 } from '../../../src/quarantine/disk/day.js';
import { indexLine } from '../../../src/quarantine/disk/index-entry.js';
import { day, entryFor, folderOf, spamFolder } from '../support.js';

test('counts by day, plugin, reason, domain, sender and client', async (t) => {
  const root = spamFolder(t);
  const now = new Date(2026, 10, 25, 15);
  const mails = [
    { age: 0, domain: 'a.example', plugin: 'spf', from: 'x@x.example', size: 10 },
    { age: 0, domain: 'b.example', plugin: 'helo', from: 'X@x.example', size: 20 },
    { age: 1, domain: 'a.example', plugin: 'spf', from: '', size: 30 },
  ];
  for (const [i, { age, domain, ...known }] of mails.entries()) {
    const time = new Date(now.getTime() - age * day);
    fs.mkdirSync(folderOf(root, time, domain), { recursive: true });
    const entry = { ...entryFor(`1.N${i}_1.mx`, time), ...known, time: rfc3339(time) };
    fs.appendFileSync(path.join(folderOf(root, time, domain), 'index'), indexLine(entry));
    fs.utimesSync(path.join(folderOf(root, time, domain), 'index'), time, time);
  }
  const said: string[] = [];
  const stats = await collectStats({ root, query: everything, now }, ({ days, allDays, mails: seen }) =>
    said.push(`${days} of ${allDays} days, ${seen} mails`),
  );
  assert.deepEqual(said, ['0 of 2 days, 0 mails', '1 of 2 days, 2 mails']);
  assert.deepEqual([stats.total, stats.octets, stats.released], [3, 60, 0]);
  assert.deepEqual(
    stats.days.map(({ date, count, octets, plugins }) => [date, count, octets, plugins.map(({ name }) => name)]),
    [
      ['2026-11-25', 2, 30, ['helo', 'spf']],
      ['2026-11-24', 1, 30, ['spf']],
    ],
  );
  assert.deepEqual(stats.plugins, [
    { name: 'spf', count: 2 },
    { name: 'helo', count: 1 },
  ]);
  assert.deepEqual(stats.domains, [
    { name: 'a.example', count: 2 },
    { name: 'b.example', count: 1 },
  ]);
  assert.deepEqual(stats.senders, [
    { name: 'x@x.example', count: 2 },
    { name: '<>', count: 1 },
  ]);
});

test('a tally keeps frequent names among more rare ones than it has room for', () => {
  const tally = new Tally(100);
  for (let i = 0; i < 10_000; i++) {
    tally.add(`rare ${i}`);
    if (i % 10 === 0) tally.add('frequent');
  }
  const [first] = tally.top(1);
  assert.equal(first?.name, 'frequent');
  assert.ok((first?.count ?? 0) > 800, String(first?.count));
  assert.ok(tally.top(1000).length <= 100);
});
