import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DotStuffer } from '../../src/relay/dot-stuffing.js';

function stuffed(parts: readonly Buffer[]): string {
  const stuffer = new DotStuffer();
  const out = parts.map((part) => Buffer.from(stuffer.stuff(part)));
  return Buffer.concat([...out, stuffer.end()]).toString('latin1');
}

/** RFC 5321 §4.5.2 said as plainly as can be. */
function expected(text: string): string {
  const whole = text === '' || text.endsWith('\n') ? text : `${text}\r\n`;
  return `${whole.replace(/^\./gm, '..')}.\r\n`;
}

const table: readonly (readonly [string, readonly string[], string])[] = [
  ['an empty message is its end alone', [], '.\r\n'],
  ['empty parts change nothing', ['', 'a\r\n', '', '.\r\n', ''], 'a\r\n..\r\n.\r\n'],
  ['a dot that begins the message is doubled', ['.a\r\n'], '..a\r\n.\r\n'],
  ['a dot that begins a line is doubled', ['a\r\n.b\r\n..\r\n.\r\n'], 'a\r\n..b\r\n...\r\n..\r\n.\r\n'],
  ['a dot elsewhere is not', ['a.b.\r\n .\r\n'], 'a.b.\r\n .\r\n.\r\n'],
  ['a dot behind a part that ends in CRLF is doubled', ['a\r\n', '.\r\n'], 'a\r\n..\r\n.\r\n'],
  ['a dot behind a CR and LF in two parts is doubled', ['a\r', '\n', '.'], 'a\r\n..\r\n.\r\n'],
  ['a dot behind a part that ends in the line is not', ['a', '.\r\n'], 'a.\r\n.\r\n'],
  ['a message without a final CRLF is given one', ['a'], 'a\r\n.\r\n'],
  ['a lone dot is a line', ['.'], '..\r\n.\r\n'],
];

for (const [what, parts, wire] of table) {
  test(what, () => assert.equal(stuffed(parts.map((part) => Buffer.from(part))), wire));
}

test('however a message is split, its wire form is the same', () => {
  const piece = fc.constantFrom('.', '..', '\r\n', '\r\n.', 'a', 'ü\xff', '\r\n.\r\n', 'x'.repeat(40));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.array(fc.nat(400), { maxLength: 20 }), (pieces, cuts) => {
      const whole = Buffer.from(pieces.join(''), 'latin1');
      const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
      const parts = at.slice(1).map((end, i) => whole.subarray(at[i], end));
      assert.equal(stuffed(parts), expected(whole.toString('latin1')));
    }),
  );
});

test('a part without such dots is not copied', () => {
  const part = Buffer.from('no dots here\r\n');
  assert.equal(new DotStuffer().stuff(part), part);
});

test('nothing but dots costs no more than a pass', () => {
  const dots = Buffer.from('.\r\n'.repeat(1_000_000));
  assert.equal(new DotStuffer().stuff(dots).length, dots.length + 1_000_000);
});
