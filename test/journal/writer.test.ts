/** Lines are appended by many, lost without harm on a full disk, and their tries are counted over all processes. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { journalText } from '../../src/journal/line.js';
import { deferred, folderFor, found, relayed, writerIn } from './support.js';

const at = (text: string): number => Date.parse(text);

test('a line stands in the file of the hour in which it was written, also when the clock is set', async (t) => {
  const dir = folderFor(t);
  let now = at('2026-11-28T21:59:59.900Z');
  const writer = writerIn(dir, { now: () => now });
  for (const step of [0, 200, 3_600_000, -7_200_000, 30 * 86_400_000]) {
    now += step;
    writer.write({ ...relayed, subject: String(step) });
    writer.flush();
  }
  writer.close();
  const files = fs.readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ndjson'));
  assert.deepEqual(files.toSorted(), [
    '2026-11-28/21.ndjson',
    '2026-11-28/22.ndjson',
    '2026-11-28/23.ndjson',
    '2026-12-28/21.ndjson',
  ]);
  assert.equal((await found(dir)).length, 5);
  assert.equal(writer.lost.length, 0);
});

test('two processes append to one file: every line is whole', async (t) => {
  const dir = folderFor(t);
  const worker = path.join(path.dirname(fileURLToPath(import.meta.url)), 'writing-process.js');
  const run = promisify(execFile);
  await Promise.all([1, 2].map((who) => run(process.execPath, [worker, dir, String(who), '3000'])));
  const [day = ''] = fs.readdirSync(dir);
  const files = fs.readdirSync(path.join(dir, day)).map((name) => fs.readFileSync(path.join(dir, day, name), 'utf8'));
  const lines = files
    .join('')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { session: string; ms: number });
  assert.equal(lines.length, 6000);
  for (const who of ['1', '2']) {
    const order = lines.filter(({ session }) => session === who).map(({ ms }) => ms);
    assert.deepEqual(
      order,
      Array.from({ length: 3000 }, (_, i) => i),
    );
  }
});

test('where nothing can be written lines are lost, counted and told once; then it goes on', async (t) => {
  const dir = folderFor(t);
  fs.writeFileSync(dir, 'a file in the way');
  const writer = writerIn(dir);
  for (let i = 0; i < 3; i++) {
    writer.write({ ...relayed });
    writer.flush();
  }
  assert.equal(writer.lostLines, 3);
  assert.deepEqual(writer.lost, [[1, 'ENOTDIR']]);
  fs.rmSync(dir);
  writer.write({ ...relayed });
  writer.close();
  assert.equal((await found(dir)).length, 1);
});

test('a line that comes when all is closed is written at once, be there many of its kind or not', async (t) => {
  const dir = folderFor(t);
  const writer = writerIn(dir);
  writer.close();
  writer.write({ ...relayed });
  for (let i = 0; i < 100; i++) writer.write({ ...relayed, verdict: 'turned away', stage: 'connect' });
  assert.equal((await found(dir)).length, 101);
  assert.equal(writer.lagSeconds, 0);
});

test('a disk that fills up in the middle of a line costs that line alone', async (t) => {
  const dir = folderFor(t);
  const writer = writerIn(dir);
  const real = fs.writeSync;
  let room = journalText({ ...relayed, node: 'mx.test.example', tries: { key: 'x'.repeat(13), n: 1 } }).length + 100;
  t.mock.method(fs, 'writeSync', (fd: number, octets: Buffer) => {
    if (room === 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    const written = real(fd, octets, 0, Math.min(room, octets.length));
    room -= written;
    return written;
  });
  for (const subject of ['one', 'two', 'three']) writer.write({ ...relayed, subject });
  writer.flush();
  writer.write({ ...relayed, subject: 'four' });
  writer.flush();
  room = Infinity;
  writer.write({ ...relayed, subject: 'five' });
  writer.close();
  assert.equal(writer.lostLines, 3);
  assert.deepEqual(
    (await found(dir)).map(({ line }) => line.subject),
    ['five', 'one'],
  );
});

test('a day that is removed under the writer is made anew', async (t) => {
  const dir = folderFor(t);
  const writer = writerIn(dir);
  writer.write({ ...relayed });
  writer.flush();
  fs.rmSync(dir, { recursive: true });
  writer.write({ ...relayed });
  writer.close();
  assert.equal((await found(dir)).length, 1);
});

test('of a flood the first lines of a minute are written, and the others counted', async (t) => {
  const dir = folderFor(t);
  const writer = writerIn(dir);
  const away = {
    ...relayed,
    verdict: 'turned away',
    stage: 'connect',
    plugin: 'limits',
    reply: '421 4.7.0 No',
  } as const;
  for (let i = 0; i < 500; i++) writer.write({ ...away });
  for (let i = 0; i < 30; i++) writer.write({ ...away, stage: 'rcpt', reply: `550 5.7.1 No ${i}`, verdict: 'refused' });
  writer.write({ ...away, ip: '203.0.113.10' });
  writer.close();
  const lines = (await found(dir)).map(({ line }) => line);
  assert.deepEqual(
    new Set(
      lines.flatMap(({ count, stage, ip, to }) =>
        count === undefined ? [] : [`${stage} ${ip} ${count} ${to?.length}`],
      ),
    ),
    new Set(['connect 203.0.113.9 499 undefined', 'rcpt 203.0.113.9 20 undefined']),
  );
  assert.equal(lines.length, 1 + 1 + 10 + 1 + 1);
});

type Try = readonly [verdict: 'deferred' | 'relayed', id?: string];

/** Each is written by a process of its own, a minute apart: which try it is, and the minute of the first. */
async function triesOf(
  t: TestContext,
  all: readonly Try[],
): Promise<readonly (readonly [number, number] | undefined)[]> {
  const dir = folderFor(t);
  const begin = at('2026-11-28T21:10:00Z');
  for (const [i, [verdict, id]] of all.entries()) {
    const now = begin + i * 60_000;
    const writer = writerIn(dir, { now: () => now });
    const { 'message-id': _, ...line } = verdict === 'deferred' ? deferred : relayed;
    writer.write({ ...line, time: new Date(now).toISOString(), ...(id !== undefined && { 'message-id': id }) });
    writer.close();
  }
  const minuteOf = (time: string): number => (Date.parse(time) - begin) / 60_000;
  return (await found(dir))
    .toReversed()
    .map(({ line: { tries, time } }) => tries && ([tries.n, minuteOf(tries.first ?? time)] as const));
}

/** [what, the tries by their Message-ID where they were read, which try of which first one each is] */
for (const [what, all, expected] of [
  [
    'two mails that are read each time, and one that is taken at once',
    [
      ['deferred', '<a@x>'],
      ['deferred', '<b@x>'],
      ['deferred', '<a@x>'],
      ['relayed', '<c@x>'],
      ['relayed', '<b@x>'],
    ],
    [[1, 0], [1, 1], [2, 0], undefined, [2, 1]],
  ],
  [
    'a mail that is put off before it is read, then after, and then before again; another is taken',
    [['deferred'], ['deferred', '<a@x>'], ['deferred'], ['relayed', '<a@x>'], ['relayed', '<b@x>']],
    [[1, 0], [2, 0], [3, 0], [4, 0], undefined],
  ],
  [
    'two mails that are put off before they are read, one while the other waits',
    [
      ['deferred'],
      ['deferred', '<a@x>'],
      ['deferred', '<b@x>'],
      ['deferred'],
      ['relayed', '<a@x>'],
      ['relayed', '<b@x>'],
    ],
    [
      [1, 0],
      [2, 0],
      [1, 2],
      [1, 3],
      [3, 0],
      [2, 2],
    ],
  ],
  [
    'a Message-ID that is cut when the line is written',
    [
      ['deferred', `<${'a'.repeat(20_000)}@x>`],
      ['relayed', `<${'a'.repeat(20_000)}@x>`],
    ],
    [
      [1, 0],
      [2, 0],
    ],
  ],
] as const satisfies readonly (readonly [string, readonly Try[], readonly unknown[]])[])
  test(`tries of mails between the same two: ${what}`, async (t) => {
    assert.deepEqual(await triesOf(t, all), expected);
  });

test('a botnet makes no more lines and no more memory than a few thousand clients', async (t) => {
  const dir = folderFor(t);
  const writer = writerIn(dir);
  const away = {
    ...relayed,
    verdict: 'turned away',
    stage: 'connect',
    plugin: 'limits',
    reply: '421 4.7.0 No',
  } as const;
  for (let i = 0; i < 6000; i++) writer.write({ ...away, ip: `10.${i >> 8}.${i & 255}.1` });
  writer.close();
  const lines = (await found(dir)).map(({ line }) => line);
  assert.equal(lines.length, 5001);
  assert.deepEqual(
    lines.filter(({ count }) => count !== undefined).map(({ ip, count }) => [ip, count]),
    [['', 1000]],
  );
});

test('tries are counted over processes, over a start and over the hour; what was taken counts anew', async (t) => {
  const dir = folderFor(t);
  let now = at('2026-11-28T21:50:00Z');
  const write = (line: typeof relayed, one = writerIn(dir, { now: () => now })): void => {
    one.write({ ...line, time: new Date(now).toISOString() });
    one.close();
    now += 320_000;
  };
  for (const line of [deferred, deferred, relayed, deferred, { ...deferred, ip: '203.0.113.77' }]) write(line);
  write({ ...deferred, ip: '198.51.100.1' });
  const tries = (await found(dir)).map(({ line }) => line.tries).toReversed();
  assert.deepEqual(
    tries.map((one) => one?.n),
    [1, 2, 3, 1, 2, 1],
  );
  assert.equal(tries[2]?.first, '2026-11-28T21:50:00.000Z');
  assert.equal(tries[4]?.key, tries[0]?.key, 'the same network');
  assert.notEqual(tries[5]?.key, tries[0]?.key);
});
