/** What a search finds is what a plain predicate would, whatever stands in the files, with filters and without. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { careForJournal } from '../../src/journal/care.js';
import { type JournalLine, journalText, parseJournalLine } from '../../src/journal/line.js';
import { parseJournalQuery } from '../../src/journal/query.js';
import { journalPage } from '../../src/journal/reader.js';
import { randomLines, randomSearches } from './random-lines.js';
import { folderFor, found, relayed, subjects } from './support.js';

const now = Date.parse('2026-11-29T12:00:00Z');

function write(dir: string, hour: string, octets: string): void {
  const file = path.join(dir, `${hour}.ndjson`);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.appendFileSync(file, octets);
}

const care = (dir: string): Promise<unknown> => careForJournal({ dir, keepMs: 14 * 86_400_000, maskMs: 0, now });

test('torn lines are passed over, and a good one behind them is found', async (t) => {
  const dir = folderFor(t);
  const line = (subject: string): string => journalText({ ...relayed, subject });
  const half = line('half').slice(0, 90);
  const octets = `${half}${line('a')}\n\n${half}\n\u0000\u00ff{}\nnull\n${line('b')}${half}${line('c')}${half}`;
  write(dir, '2026-11-28/21', octets);
  assert.deepEqual(subjects(await found(dir)), ['c', 'b', 'a']);
  assert.deepEqual(subjects(await found(dir, 'subject:b')), ['b']);
  await care(dir);
  assert.deepEqual(subjects(await found(dir, 'from:anna@sender.example')), ['c', 'b', 'a']);
});

test('a day that is removed while it is read costs nothing but its lines', async (t) => {
  const dir = folderFor(t);
  for (const hour of ['2026-11-27/05', '2026-11-28/20', '2026-11-28/21'])
    for (let i = 0; i < 2000; i++) write(dir, hour, journalText({ ...relayed, subject: hour }));
  const query = parseJournalQuery('');
  assert.ok(query.ok);
  let count = 0;
  const { searchJournal } = await import('../../src/journal/reader.js');
  for await (const step of searchJournal({ dir, query: query.value })) {
    if (!('line' in step)) continue;
    if (++count === 10) fs.rmSync(path.join(dir, '2026-11-28'), { recursive: true });
  }
  assert.equal(count, 4000, 'the open hour to its end, nothing of the next one, and the day before');
});

test('what stands in the folder beside the days and hours is let be', async (t) => {
  const dir = folderFor(t);
  write(dir, '2026-11-28/21', journalText({ ...relayed }));
  write(dir, '2026-11-28/24', journalText({ ...relayed }));
  write(dir, 'x/21', journalText({ ...relayed }));
  fs.mkdirSync(path.join(dir, '2026-11-28/20.ndjson'));
  fs.symlinkSync('/etc/passwd', path.join(dir, '2026-11-28/19.ndjson'));
  assert.equal((await found(dir)).length, 1);
  assert.deepEqual(await found(path.join(dir, 'nowhere')), []);
});

/** [search, does it find `relayed`?] */
const searches: readonly [search: string, isFound: boolean][] = [
  ['', true],
  ['ANGEBOT', true],
  ['from:anna', true],
  ['from:Anna@Sender.Example', true],
  ['from:nna@sender.example', false],
  ['from:@sender.example', true],
  ['from:@example', false],
  ['from:<>', false],
  ['-from:<>', true],
  ['anna@sender.example', true],
  ['1@sender.example', true],
  ['2@sender.example', false],
  ['to:alice', true],
  ['to:alice@example.com', true],
  ['to:bob', false],
  ['-to:bob', true],
  ['verdict:relayed', true],
  ['verdict:re', true],
  ['verdict:rejected', false],
  ['domain:example.com', true],
  ['domain:example', false],
  ['queue:4wxy', true],
  ['queue:4wx', false],
  ['id:6AD976HBEEVN63', true],
  ['ip:203.0.113.9', true],
  ['ip:203.0.113.0/24', true],
  ['ip:203.0', true],
  ['ip:203.0.113.8', false],
  ['tls:no', false],
  ['tls:1.3', true],
  ['reply:250', true],
  ['reply:451', false],
  ['spf:pass dkim:pass dmarc:pass', true],
  ['spf:fail', false],
  ['larger:40k', true],
  ['larger:1m', false],
  ['score:>5', false],
  ['tries:>1', false],
  ['header-from:"Anna <"', true],
  ['message-id:sender.example', true],
  ['destination:10025', true],
  ['after:1d before:today', true],
  ['after:2h', false],
  ['before:2026-11-20', false],
  ['subject:angebot -from:anna', false],
];

test('what the keys find', async (t) => {
  const dir = folderFor(t);
  write(dir, '2026-11-28/21', journalText({ ...relayed }));
  for (const state of ['without a filter', 'with one']) {
    for (const [search, isFound] of searches)
      assert.equal((await found(dir, search)).length > 0, isFound, `${search}, ${state}`);
    await care(dir);
  }
  assert.ok(fs.existsSync(path.join(dir, '2026-11-28/21.bloom')));
});

test('what a check that is tried out would have done is found by would:', async (t) => {
  const dir = folderFor(t);
  const said: JournalLine['said'] = [
    ['helo', 'pass', 'log only, would reject: no such name'],
    ['spf', 'pass', 'pass'],
    ['dnsbl', 'reject', 'listed'],
  ];
  write(dir, '2026-11-28/21', journalText({ ...relayed }) + journalText({ ...relayed, subject: 'tried', said }));
  for (const search of ['would:helo', 'would:HELO', 'would:*'])
    assert.deepEqual(
      (await found(dir, search)).map(({ line }) => line.subject),
      ['tried'],
      search,
    );
  for (const search of ['would:spf', 'would:dnsbl', 'would:hel'])
    assert.deepEqual(await found(dir, search), [], search);
});

test('bounces are found by from:<>, and a time of the day by after: and before:', async (t) => {
  const dir = folderFor(t);
  write(dir, '2026-11-28/21', journalText({ ...relayed }) + journalText({ ...relayed, from: '', subject: 'bounce' }));
  for (const state of ['without a filter', 'with one']) {
    assert.deepEqual(subjects(await found(dir, 'from:<>')), ['bounce'], state);
    assert.deepEqual(subjects(await found(dir, '-from:<>')), ['Angebot'], state);
    await care(dir);
  }
  const minute = (ms: number): string => {
    const at = new Date(Date.parse(relayed.time) + ms);
    const two = (number: number): string => String(number).padStart(2, '0');
    return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
  };
  for (const [search, count] of [
    [`after:${minute(0)}`, 2],
    [`after:${minute(60_000)}`, 0],
    [`before:${minute(60_000)}`, 2],
    [`before:${minute(0)}`, 0],
  ] as const)
    assert.equal((await found(dir, search)).length, count, search);
  for (const wrong of ['after:2026-11-28T24:00', 'after:2026-11-28T10', 'before:2026-11-28T10:60'])
    assert.ok(!parseJournalQuery(wrong).ok, wrong);
});

test('a wrong search says what is wrong', () => {
  for (const [search, problem] of [
    ['verdict:lost', /relayed, taken, rejected/],
    ['score:high', /score:>5/],
    ['tries:>x', /number/],
    ['form:anna', /the keys are from, to/],
    ['ip:x', /network/],
    ['x'.repeat(2000), /too long/],
  ] as const) {
    const parsed = parseJournalQuery(search);
    assert.ok(!parsed.ok && problem.test(parsed.problem), search);
  }
});

test('random searches over random lines find what a plain predicate finds, in order, page by page', async (t) => {
  const dir = folderFor(t);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(randomLines(now), { maxLength: 40 }),
      randomSearches,
      fc.boolean(),
      async (lines, text, filtered) => {
        const place = path.join(dir, String(run++));
        const ordered = lines.toSorted((a, b) => (a.time < b.time ? -1 : 1));
        for (const line of ordered) write(place, line.time.slice(0, 13).replace('T', '/'), journalText(line));
        if (filtered) await care(place);
        const query = parseJournalQuery(text, new Date(now));
        if (!query.ok) return;
        const read = ordered.map((line) => parseJournalLine(journalText(line)) as JournalLine);
        const expected = read.filter((line) => query.value.matches(line)).toReversed();
        const items = await found(place, text);
        assert.deepEqual(
          items.map(({ line }) => line),
          expected,
          text,
        );
        const paged: JournalLine[] = [];
        for (let cursor: string | undefined, pages = 0; pages < 99; pages++) {
          const options = { dir: place, query: query.value, ...(cursor !== undefined && { cursor }) };
          const page = await journalPage(options, { limit: 7, budget: 0 });
          paged.push(...page.items.map(({ line }) => line));
          cursor = page.next;
          if (cursor === undefined) break;
        }
        assert.deepEqual(paged, expected, `${text}, by pages`);
        const [, second] = items;
        if (second) assert.equal((await found(place, text, { until: second.cursor })).length, 1);
      },
    ),
    { numRuns: 150 },
  );
});
