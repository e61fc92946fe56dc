/** Sums of the journal: made once an hour, made anew where they are torn or the lines are others, and gone on with. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test, type TestContext } from 'node:test';
import { careForJournal } from '../../src/journal/care.js';
import { hourAt, hourMs, sumsPath } from '../../src/journal/hours.js';
import type { JournalLine } from '../../src/journal/line.js';
import { erasedLine, rewriteHour } from '../../src/journal/rewrite.js';
import { MailCounts, type SumsQuestion } from '../../src/journal/sums/mail-sums.js';
import { savedSums } from '../../src/journal/sums/sums-file.js';
import { folderFor, relayed, writerIn } from './support.js';

const everything: SumsQuestion = { from: 0, until: Infinity, domains: undefined };
const now = Date.now();
const hoursAgo = (hours: number): number => Math.floor(now / hourMs) * hourMs - hours * hourMs + 60_000;

function write(dir: string, at: number, ...lines: readonly Partial<JournalLine>[]): void {
  const writer = writerIn(dir, { now: () => at });
  for (const line of lines) writer.write({ ...relayed, time: new Date(at).toISOString(), ...line });
  writer.close();
}

const rejected = { verdict: 'rejected', plugin: 'spf', from: 'x@spam.example', ip: '198.51.100.7' } as const;
const floods = { verdict: 'turned away', stage: 'connect', domain: '', plugin: 'limits', count: 411 } as const;

function filled(t: TestContext): string {
  const dir = folderFor(t);
  write(dir, hoursAgo(30), {}, rejected);
  write(dir, hoursAgo(3), {}, { ...rejected, domain: 'example.net' }, { ...floods, from: undefined, to: undefined });
  write(dir, hoursAgo(0), {}, { verdict: 'deferred', plugin: 'greylisting' });
  return dir;
}

test('all mail by hour, verdict, plugin, domain, sender and client; lines that stand for many count as many', async (t) => {
  const sums = await new MailCounts(filled(t)).of(everything);
  assert.deepEqual(
    sums.hours.map(({ verdicts }) => verdicts),
    [
      { relayed: 1, deferred: 1 },
      { relayed: 1, rejected: 1, 'turned away': 412 },
      { relayed: 1, rejected: 1 },
    ],
  );
  assert.deepEqual(sums.verdicts, { relayed: 3, deferred: 1, rejected: 2, 'turned away': 412 });
  assert.deepEqual(sums.plugins, [
    { name: 'limits', count: 412 },
    { name: 'spf', count: 2 },
  ]);
  assert.deepEqual(
    sums.domains.map(({ name, count }) => [name, count]),
    [
      ['', 412],
      ['example.com', 5],
      ['example.net', 1],
    ],
  );
  assert.deepEqual(sums.senders, [
    { name: 'sender.example', count: 4 },
    { name: 'spam.example', count: 2 },
  ]);
  assert.equal(sums.countedTo, undefined);
});

test('only hours that are asked for, and only domains that may be seen', async (t) => {
  const counts = new MailCounts(filled(t));
  const domains = new Set(['example.net']);
  const { verdicts, domains: seen, clients } = await counts.of({ ...everything, domains });
  assert.deepEqual(
    [verdicts, seen, clients],
    [{ rejected: 1 }, [{ name: 'example.net', count: 1 }], [{ name: '198.51.100.7', count: 1 }]],
  );
  const recent = await counts.of({ ...everything, from: hoursAgo(4) });
  assert.equal(recent.hours.length, 2);
});

test('a finished hour is counted once; torn sums, and those of lines that were changed since, are made anew', async (t) => {
  const dir = filled(t);
  const counts = new MailCounts(dir);
  const before = await counts.of(everything);
  const hour = hourAt(dir, hoursAgo(3));
  const file = sumsPath(hour);
  const whole = fs.readFileSync(file);
  assert.equal(savedSums(hour)?.size, 3);
  for (const torn of [
    whole.subarray(0, whole.length - 3),
    Buffer.alloc(0),
    Buffer.from('sums 1 0 0 2\n{}'),
    Buffer.from('x'),
  ]) {
    fs.writeFileSync(file, torn);
    assert.equal(savedSums(hour), undefined);
    assert.deepEqual(await counts.of(everything), before);
    assert.deepEqual(fs.readFileSync(file), whole);
  }
  fs.rmSync(file);
  fs.mkdirSync(file); // it cannot be written
  assert.deepEqual(await counts.of(everything), before);
  fs.rmdirSync(file);
  await counts.of(everything);
  assert.equal(
    rewriteHour(hour, (line) => erasedLine(line, 'x@spam.example')),
    1,
  );
  assert.equal(fs.existsSync(file), false, 'they may have named what was erased');
  assert.deepEqual((await counts.of(everything)).verdicts, before.verdicts);
});

test('the hour that is not over is gone on with where the last count ended, and half a line waits for its end', async (t) => {
  const dir = folderFor(t);
  const counts = new MailCounts(dir);
  write(dir, Date.now(), {}, {});
  assert.deepEqual((await counts.of(everything)).verdicts, { relayed: 2 });
  const { file } = hourAt(dir, Date.now());
  const text = fs.readFileSync(file, 'utf8');
  const [first = ''] = text.split('\n');
  fs.appendFileSync(file, first.slice(0, 100));
  assert.deepEqual((await counts.of(everything)).verdicts, { relayed: 2 });
  fs.appendFileSync(file, `${first.slice(100)}\n`);
  // What was counted is not read again: nobody would see that it is gone.
  fs.truncateSync(file, 0);
  fs.writeFileSync(file, `${'x'.repeat(text.length - 1)}\n${first}\n`);
  assert.deepEqual((await counts.of(everything)).verdicts, { relayed: 3 });
  assert.equal(fs.existsSync(sumsPath(hourAt(dir, Date.now()))), false);
});

test('when time is up it says how far it has come, and goes on with the next question', async (t) => {
  const dir = filled(t);
  const counts = new MailCounts(dir, { budgetMs: 0 });
  const first = await counts.of(everything);
  assert.deepEqual(first.verdicts, { relayed: 1, deferred: 1 });
  assert.equal(first.countedTo, hourAt(dir, hoursAgo(3)).start + hourMs);
  await new MailCounts(dir).of(everything);
  assert.equal((await counts.of(everything)).countedTo, undefined);
});

test('names are names, whatever they are', async (t) => {
  const dir = folderFor(t);
  for (const hours of [5, 0])
    write(dir, hoursAgo(hours), { ...rejected, plugin: '__proto__', domain: 'constructor', from: 'a@__proto__' });
  const read = async (): Promise<unknown> => {
    const { plugins, domains, senders } = await new MailCounts(dir).of(everything);
    return [plugins, domains, senders];
  };
  const expected = [
    [{ name: '__proto__', count: 2 }],
    [{ name: 'constructor', count: 2 }],
    [{ name: '__proto__', count: 2 }],
  ];
  assert.deepEqual(await read(), expected);
  assert.deepEqual(await read(), expected, 'from the file, too');
});

test('the hourly care makes the sums of hours that are over', async (t) => {
  const dir = filled(t);
  await careForJournal({ dir, keepMs: 14 * 24 * hourMs, maskMs: 0, now: now + 60_000 });
  assert.equal(savedSums(hourAt(dir, hoursAgo(3)))?.get('example.net')?.verdicts.rejected, 1);
});

test('a day that is removed meanwhile is not there, and no journal is no mail', async (t) => {
  const dir = folderFor(t);
  assert.deepEqual((await new MailCounts(dir).of(everything)).hours, []);
});

test('what a crash has left between lines hides none of them', async (t) => {
  const dir = folderFor(t);
  write(dir, hoursAgo(3), {});
  fs.appendFileSync(hourAt(dir, hoursAgo(3)).file, Buffer.alloc(400_000));
  write(dir, hoursAgo(3), rejected);
  assert.deepEqual((await new MailCounts(dir).of(everything)).verdicts, { relayed: 1, rejected: 1 });
});
