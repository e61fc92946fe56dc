import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReplyReader } from '../../src/relay/connection/reply-reader.js';

function repliesOf(pieces: readonly string[]): { readonly replies: string[]; readonly reader: ReplyReader } {
  const reader = new ReplyReader();
  const replies: string[] = [];
  for (const piece of pieces) assert.ok(reader.read(piece, (raw) => replies.push(raw)));
  return { replies, reader };
}

const cases: readonly (readonly [what: string, octets: string, replies: readonly string[], isInReply: boolean])[] = [
  ['a line is a reply', '250 ok\r\n', ['250 ok'], false],
  ['lines with a hyphen belong to the next', '250-a\r\n250-b\r\n250 c\r\n', ['250-a\n250-b\n250 c'], false],
  ['a bare LF ends a line as well', '250-a\n250 b\n', ['250-a\n250 b'], false],
  ['several replies of one read are several', '250 a\r\n354 b\r\n', ['250 a', '354 b'], false],
  ['half a line is none yet', '250 a\r\n25', ['250 a'], true],
  ['a first line alone is none yet', '250-a\r\n', [], true],
  ['an empty line is no reply, and told', '\r\n', [''], false],
  ['a bare code is one', '250\r\n', ['250'], false],
];

for (const [what, octets, replies, isInReply] of cases)
  test(`${what}, wherever it is cut`, () => {
    for (let cut = 0; cut <= octets.length; cut++) {
      const read = repliesOf([octets.slice(0, cut), octets.slice(cut)]);
      assert.deepEqual([read.replies, read.reader.isInReply], [replies, isInReply]);
    }
    assert.deepEqual(repliesOf([...octets]).replies, replies);
  });

test('any stream gives the same replies however it is cut', () => {
  const octets = fc.array(fc.constantFrom('250', '-', ' ', 'x', '\r', '\n', '\r\n'), { maxLength: 60 });
  fc.assert(
    fc.property(octets, fc.array(fc.nat(80), { maxLength: 6 }), (parts, cuts) => {
      const text = parts.join('');
      const at = [0, ...cuts.filter((cut) => cut < text.length).toSorted((a, b) => a - b), text.length];
      const pieces = at.slice(1).map((end, i) => text.slice(at[i], end));
      assert.deepEqual(repliesOf(pieces).replies, repliesOf([text]).replies);
    }),
  );
});

for (const [what, octets] of [
  ['one line', 'x'.repeat(1000)],
  ['lines', '250-x\r\n'],
])
  test(`a reply of ${what} without an end is given up`, () => {
    const reader = new ReplyReader();
    let reads = 0;
    while (reader.read(octets ?? '', () => assert.fail('it has no end'))) assert.ok(++reads < 20_000);
  });
