/** A line of the journal: both ways, at most 16 kB, and harmless whatever a client has sent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { maxLine } from '../../src/lines/json-line.js';
import { type JournalLine, journalText, parseJournalLine } from '../../src/journal/line.js';
import { relayed } from './support.js';

test('a line comes back as it was, with the keys of the contract', () => {
  const line: JournalLine = {
    ...relayed,
    node: 'mx1',
    sni: 'mx.example.com',
    plugin: 'spf',
    reason: 'x',
    score: -1.5,
    filename: '17.6_1.mx',
    count: 3,
    said: [...(relayed.said ?? []), ['rspamd', 'score', 'BAYES_SPAM', 4.5]],
    tries: { key: 'c81e', n: 2, first: '2026-11-28T21:36:27Z' },
    to: [{ address: 'alice@example.com', reply: '250 2.1.5 Ok', queue: '4WxY' }],
  };
  const text = journalText(line);
  assert.deepEqual(parseJournalLine(text), line);
  assert.ok(text.startsWith('{"time":"2026-11-28T21:41:40.118Z","id":"6AD976HBEEVN63","session":'));
});

const hostile = [
  '\u001b]0;x\u0007',
  '\r\n{"time":"2026-11-28T21:41:40.118Z","verdict":"relayed"}',
  '"},{"\\',
  '\u202egnp.exe',
  '\u2028\u2029\u0000\u007f\u009b\ufeff',
  '\ud800',
  '<script>',
  '😀'.repeat(9000),
  'x'.repeat(70_000),
];

const keysOfText = [
  'id',
  'session',
  'node',
  'domain',
  'from',
  'header_from',
  'subject',
  'message-id',
  'ip',
  'host',
  'helo',
].concat(['tls', 'sni', 'plugin', 'reason', 'reply', 'spf', 'dkim', 'dmarc', 'queue', 'destination', 'filename']);

for (const [i, octets] of hostile.entries())
  test(`hostile octets ${i + 1} in any field, or in all of them, make one harmless line`, () => {
    const lines = keysOfText.map((key) => ({ ...relayed, [key]: octets }));
    const everywhere = Object.fromEntries(keysOfText.map((key) => [key, octets]));
    const to = Array.from({ length: 300 }, () => ({ address: octets, reply: octets, queue: octets }));
    const said = Array.from({ length: 300 }, () => [octets, 'pass', octets] as const);
    for (const line of [...lines, { ...relayed, to }, { ...relayed, said }, { ...relayed, ...everywhere, to, said }]) {
      const text = journalText(line);
      assert.ok(Buffer.byteLength(text) <= maxLine);
      assert.ok(text.endsWith('}\n'));
      assert.doesNotMatch(text.slice(0, -1), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      const read = parseJournalLine(text);
      assert.equal(read?.verdict, 'relayed');
      assert.equal(read.time, relayed.time);
    }
  });

test('of many recipients the first are named, and the others counted', () => {
  const to = Array.from({ length: 1000 }, (_, i) => ({ address: `user${i}@example.com`, reply: '250 2.1.5 Ok' }));
  const read = parseJournalLine(journalText({ ...relayed, to }));
  assert.match(read?.to?.at(-1)?.address ?? '', /^… and \d+ more$/);
  assert.equal(read?.to?.[0]?.address, 'user0@example.com');
});

test('whatever JSON holds, reading it never throws, and gives a line or nothing', () => {
  const keys = [...keysOfText, 'time', 'verdict', 'stage', 'to', 'said', 'tries', 'count', 'score', '__proto__'];
  const value = fc.oneof(fc.string(), fc.double(), fc.array(fc.anything()), fc.object());
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), value), (fields) => {
      const read = parseJournalLine(JSON.stringify({ time: relayed.time, verdict: 'relayed', ...fields }));
      if (read) assert.ok(parseJournalLine(journalText(read)));
    }),
  );
  for (const bad of ['', '{', '[]', 'null', '{"time":"2026-11-28T21:41:40.118Z"}', '{"time":"x","verdict":"relayed"}'])
    assert.equal(parseJournalLine(bad), undefined);
});
