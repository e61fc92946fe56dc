import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { maxLine } from '../../../src/lines/json-line.js';
import { type IndexEntry, indexLine, parseEntry } from '../../../src/quarantine/disk/index-entry.js';
import { firstEntry, piecesOf } from '../../../src/quarantine/disk/index-lines.js';
import { entriesIn, entryFor, spamFolder } from '../support.js';

const entry = entryFor('1.A_1.mx', new Date(0));
const lineOf = (changes: Partial<IndexEntry>): string => indexLine({ ...entry, ...changes }).toString();

test('an entry has the keys of the contract in their order', () => {
  const keys = 'time from recipient subject filename ip host helo reason plugin message-id size';
  const { reply: _, headerFrom: __, ...old } = entry;
  assert.deepEqual(Object.keys(JSON.parse(indexLine(old).toString())), keys.split(' '));
  assert.deepEqual(Object.keys(JSON.parse(lineOf({ spf: 'fail' }))), [
    ...keys.split(' '),
    'spf',
    'reply',
    'header_from',
  ]);
});

const characters: readonly (readonly [string, string])[] = [
  ['a newline', '\n'],
  ['an escape sequence', '\u001b[2J'],
  ['DEL', '\u007f'],
  ['a C1 control', '\u009b'],
  ['a line separator', '\u2028'],
  ['a right-to-left override', '\u202e'],
  ['a bidirectional isolate', '\u2066'],
  ['a byte order mark', '\ufeff'],
  ['an invisible tag character', '\u{e0041}'],
  ['a lone surrogate', '\ud800'],
];

for (const [what, character] of characters) {
  test(`${what} is never raw in a line, and not lost`, () => {
    const line = lineOf({ subject: `a${character}b` });
    assert.match(line, /^[ -~]*\n$/);
    assert.equal(parseEntry(line)?.subject, `a${character}b`);
  });
}

test('a line of before these keys is read, and knows nothing of them', () => {
  const { reply: _, headerFrom: __, ...old } = entry;
  assert.deepEqual(parseEntry(indexLine(old).toString()), old);
  assert.deepEqual(parseEntry(lineOf({}).replace('"a@example.net"}', '7}')), { ...old, reply: entry.reply });
});

test('readable Unicode stays readable', () => assert.match(lineOf({ subject: 'Grüße 日本 🚪' }), /"Grüße 日本 🚪"/));

const long: readonly (readonly [string, string])[] = [
  ['letters', 'x'.repeat(100_000)],
  ['three-octet letters', '日'.repeat(100_000)],
  ['escapes of six octets', '\u0001'.repeat(100_000)],
  ['surrogate pairs', '🚪'.repeat(100_000)],
];

for (const [what, value] of long) {
  test(`a line with endless ${what} in every value stays below 16 kB`, () => {
    const values = { from: value, recipient: value, subject: value, ip: value, host: value, helo: value };
    const line = lineOf({
      ...values,
      reason: value,
      plugin: value,
      messageId: value,
      spf: value,
      reply: value,
      headerFrom: value,
    });
    assert.ok(Buffer.byteLength(line) <= maxLine);
    const read = parseEntry(line);
    assert.match(read?.subject ?? '', /…$/);
    assert.doesNotMatch(read?.subject ?? '', /\p{Cs}/u);
    assert.equal(read?.filename, entry.filename);
  });
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.string().map((s) => `${s}\ud800`),
);
const anyEntry = fc.record(
  {
    time: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((time) => time.toISOString()),
    from: anyText,
    recipient: anyText,
    subject: anyText,
    filename: fc.string({ minLength: 1 }),
    ip: anyText,
    host: anyText,
    helo: anyText,
    reason: anyText,
    plugin: anyText,
    messageId: anyText,
    size: fc.nat(),
    spf: anyText,
  },
  {
    noNullPrototype: true,
    requiredKeys: [
      'time',
      'from',
      'recipient',
      'subject',
      'filename',
      'ip',
      'host',
      'helo',
      'reason',
      'plugin',
      'messageId',
      'size',
    ],
  },
);

test('any entry comes back from its line', () => {
  fc.assert(
    fc.property(anyEntry, (any) => {
      const line = indexLine(any).toString();
      assert.equal(line.indexOf('\n'), line.length - 1);
      assert.deepEqual(parseEntry(line), any);
    }),
    { numRuns: 500 },
  );
});

test('a good line behind any beginning of another is found', () => {
  fc.assert(
    fc.property(anyEntry, anyEntry, fc.nat(), (torn, good, at) => {
      const [fragment, whole] = [indexLine(torn), indexLine(good)];
      const glued = Buffer.concat([fragment.subarray(0, at % (fragment.length - 2)), whole.subarray(0, -1)]);
      assert.deepEqual(
        piecesOf(glued, 0).flatMap((piece) => piece.entry ?? []),
        [good],
      );
    }),
  );
});

const good = lineOf({ filename: 'GOOD' });
const contents: readonly (readonly [string, string, readonly string[]])[] = [
  ['nothing', '', []],
  ['one line', good, ['GOOD']],
  ['a half line at the end', `${good}${good.slice(0, 50)}`, ['GOOD']],
  ['a whole line that lacks its newline', good.trimEnd(), ['GOOD']],
  ['a broken line in the middle', `${good}{"time":"x\n${good}`, ['GOOD', 'GOOD']],
  ['empty lines', `\n\n${good}\n\n`, ['GOOD']],
  ['a good line behind a torn one', `${good.slice(0, 90)}${good}`, ['GOOD']],
  ['two torn ones before a good one', `${good.slice(0, 90)}${good.slice(0, 11)}${good}`, ['GOOD']],
  ['JSON that is no entry', `[]\nnull\n1\n{}\n"x"\n{"filename":"x"}\n${good}`, ['GOOD']],
  ['octets that are no text', `\xff\x00\n${good}`, ['GOOD']],
  ['a line of two megabytes', `${'x'.repeat(2_000_000)}\n${good}`, ['GOOD']],
  ['two megabytes without an end', `${good}${'x'.repeat(2_000_000)}`, ['GOOD']],
  ['__proto__ as a key', `{"__proto__":{"filename":"x"},"time":"2026-01-01T00:00:00Z"}\n${good}`, ['GOOD']],
];

for (const [what, content, expected] of contents) {
  test(`reading an index: ${what}`, async (t) => {
    const root = spamFolder(t);
    fs.writeFileSync(path.join(root, 'index'), content, 'latin1');
    assert.deepEqual(
      (await entriesIn(root)).map(({ filename }) => filename),
      expected,
    );
    if (content.length < 60_000) assert.equal(firstEntry(path.join(root, 'index'))?.filename, expected[0]);
  });
}

test('reading an index: none at all', async (t) => assert.deepEqual(await entriesIn(spamFolder(t)), []));

test('reading an index: lines across chunks of the stream', async (t) => {
  const root = spamFolder(t);
  const lines = Array.from({ length: 500 }, (_, i) =>
    lineOf({ filename: `F${i}`, subject: 's'.repeat((i * 97) % 1999) }),
  );
  fs.writeFileSync(path.join(root, 'index'), lines.join(''));
  assert.deepEqual(
    (await entriesIn(root)).map(({ filename }) => filename),
    lines.map((_, i) => `F${i}`),
  );
});
