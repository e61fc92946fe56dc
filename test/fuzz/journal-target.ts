/** A line of the journal: read, written again, masked, erased, searched and shown, whatever octets it is made of. */
import assert from 'node:assert/strict';
import { type JournalLine, journalText, parseJournalLine } from '../../src/journal/line.js';
import { parseJournalQuery } from '../../src/journal/query.js';
import { itemsIn } from '../../src/journal/reader.js';
import { erasedLine, maskedLine } from '../../src/journal/rewrite.js';
import { csvRow } from '../../src/journal/shown/csv.js';
import { storyLines } from '../../src/journal/shown/story-text.js';
import { addTokens } from '../../src/journal/tokens.js';
import { maxLine } from '../../src/lines/json-line.js';
import { plainText } from '../../src/text/line.js';
import { deferred, relayed } from '../journal/support.js';
import type { Target } from './target.js';

const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const now = new Date('2026-11-29T12:00:00Z');

const latin1 = (line: JournalLine): string => Buffer.from(journalText(line)).toString('latin1');
const odd = 'a\ud800\u202e\\"\u0000@\u{1f4b0}.example';
const tries = { key: 'c81e', n: 2, first: '2026-11-28T21:36:27Z' };

export const journalLine: Target = {
  seeds: [
    latin1(relayed),
    latin1({ ...deferred, tries, count: 412, score: -1.5 }),
    latin1({ ...relayed, subject: odd, from: odd, header_from: odd, to: [{ address: odd, reply: odd, queue: odd }] }),
    `{"time":"2026-11${latin1(relayed)}${latin1(deferred).slice(0, 90)}\n${latin1(deferred)}`,
    '{"time":"2026-11-28T21:41:40.118Z","verdict":"relayed","to":[{}],"said":[["x","score",1,1e999]],"size":1e999}',
    'anna@sender.example verdict:"turned away" -to:bob score:>5 tries:>1',
  ],
  check(octets) {
    for (const { start, length } of itemsIn({ octets, start: 0 })) {
      assert.ok(start >= 0 && start + length <= octets.length, 'a line is where it is said to be');
      const read = parseJournalLine(octets.toString('utf8', start, start + length));
      assert.ok(read, 'what was found can be read');
      holds(read, octets);
    }
    addTokens(octets, new Set());
  },
};

function holds(line: JournalLine, octets: Buffer): void {
  const text = journalText(line);
  assert.ok(Buffer.byteLength(text) <= maxLine);
  assert.ok(!invisible.test(text.slice(0, -1)), 'a line holds nothing that is unsafe to show');
  const again = parseJournalLine(text);
  assert.ok(again, 'a line that was written is one that is read');
  assert.equal(journalText(again), text);
  for (const rewritten of [maskedLine(again), erasedLine(again, 'anna@sender.example')])
    if (rewritten) assert.ok(parseJournalLine(journalText(rewritten)), 'what was taken out leaves a line');
  for (const shown of [csvRow(again).trimEnd(), ...storyLines([again, again], { utc: true }).map(plainText)])
    assert.ok(!/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]/.test(shown), JSON.stringify(shown));
  const search = parseJournalQuery(
    octets
      .toString('latin1')
      .replace(/[^ -~]/g, '')
      .slice(0, 60),
    now,
  );
  if (!search.ok || !search.value.matches(again) || !search.value.prefilter) return;
  const { prefilter } = search.value;
  prefilter.lastIndex = 0;
  assert.ok(prefilter.test(Buffer.from(text).toString('latin1')), 'what matches is not passed over');
}
