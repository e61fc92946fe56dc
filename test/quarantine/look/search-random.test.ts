/**
 * Whatever may be passed over without a closer look, a search finds what its predicate finds: random searches over
 * random entries of hostile text, between torn lines and junk, against the predicate on every entry there is.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { browse } from '../../../src/quarantine/look/browse.js';
import { type IndexEntry, indexLine } from '../../../src/quarantine/disk/index-entry.js';
import { parseQuery, type Query } from '../../../src/quarantine/look/query.js';
import { collectStats } from '../../../src/quarantine/look/stats.js';
import { entriesOf, searchesOf, wordsOf } from '../random-search.js';
import { entriesIn, folderOf, spamFolder } from '../support.js';

const now = new Date(2026, 10, 26, 12);
const domains = ['a.example', 'b.example'];

/** Characters that JSON escapes, that have odd lower cases, or that mean something to a pattern. */
const atoms = 'aKkiI"\\/.*([ éÉßẞü日µÿſ'
  .split('')
  .concat(
    ['ss', 'ab', 'u\u0308', '😀', '\u202e', '\0', '\n', '\u2028', '\x7f', '\x85', '\u212a', '\u0130', '\ud800'],
    ['{"time":"', '"plugin":"spf"'],
  );
const words = wordsOf(atoms);
const entries = entriesOf(words);
const searches = searchesOf(words);

/** A tenth of each domain's index is torn or junk. */
function fill(root: string, count: number, seed: number): void {
  const given = fc.sample(entries, { numRuns: count * domains.length, seed });
  for (const [i, domain] of domains.entries()) {
    const lines = given.slice(i * count, (i + 1) * count).map((entry, j) => {
      const time = new Date(now.getTime() - (count - j) * 10_000).toISOString();
      const line = indexLine({ ...entry, time, filename: `${j}.${domain}` });
      if (j % 20 === 7) return line.subarray(0, (j * 31) % line.length);
      return j % 20 === 13 ? Buffer.from('\xff\xfe junk\n', 'latin1') : line;
    });
    const folder = folderOf(root, now, domain);
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'index'), Buffer.concat(lines));
    fs.utimesSync(path.join(folder, 'index'), now, now);
  }
}

/** What stands in no predicate; nothing is released or deleted here. */
const isWithin = ({ after = -Infinity, before = Infinity, mark }: Query, { time }: IndexEntry): boolean =>
  mark === undefined && Date.parse(time) >= after && Date.parse(time) < before;

test('a search finds what its predicate finds, and counts it', async (t) => {
  const root = spamFolder(t);
  const seed = Number(process.env['SEARCH_SEED'] ?? 1);
  fill(root, 400, seed);
  const there: { readonly entry: IndexEntry; readonly domain: string }[] = [];
  for (const domain of domains)
    for (const entry of await entriesIn(folderOf(root, now, domain))) there.push({ entry, domain });
  assert.ok(there.length > 600);
  let hits = 0;
  const check = fc.asyncProperty(searches, async (text) => {
    const parsed = parseQuery(text, now);
    if (!parsed.ok) return;
    const { value: query } = parsed;
    const nameOf = (entry: IndexEntry, domain: string): string => `${domain}/${entry.filename}`;
    const expected = there.filter(({ entry, domain }) => isWithin(query, entry) && query.matches(entry, domain));
    const found: string[] = [];
    for await (const { entry, ref } of browse({ root, query, now })) found.push(nameOf(entry, ref.domain));
    assert.deepEqual(found.toSorted(), expected.map(({ entry, domain }) => nameOf(entry, domain)).toSorted());
    assert.equal((await collectStats({ root, query, now })).total, expected.length);
    hits += found.length;
  });
  for (let part = 0; part < 5; part++)
    await t.test(`a hundred searches, seed ${seed + part}`, () =>
      fc.assert(check, { numRuns: 100, seed: seed + part }),
    );
  assert.ok(hits > 1000, String(hits));
});
