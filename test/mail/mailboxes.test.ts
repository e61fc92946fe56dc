import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressesOf, areReadable } from '../../src/mail/mailboxes.js';
import { anyText, nasty } from './nasty.js';

const table: readonly (readonly [value: string, addresses: readonly string[]])[] = [
  ['a@b.example', ['a@b.example']],
  ['A <a@b.example>', ['a@b.example']],
  ['"A, B" <a@b.example>', ['a@b.example']],
  ['a@b.example, C <c@d.example>', ['a@b.example', 'c@d.example']],
  ['a@b.example (a, comment)', ['a@b.example']],
  ['(a (nested) comment) <a@b.example>', ['a@b.example']],
  ['(an \\) escaped comment) a@b.example', ['a@b.example']],
  ['"a \\" quote, " <a@b.example>', ['a@b.example']],
  ['<"a,b"@c.example>', ['a,b@c.example']],
  ['"-x@@y" <a@b.example>', ['a@b.example']],
  ['<>', ['']],
  ['"A" <>', ['']],
  ['', ['']],
  [',', ['', '']],
  ['A <-a@b.example>', ['-a@b.example']],
  ['<a@b.example', ['<a@b.example']],
  ['<a@b.example> <c@d.example>', ['a@b.example', 'c@d.example']],
  ['A < a @ b.example >', ['a @ b.example']],
];
for (const [value, addresses] of table) test(`From: ${value}`, () => assert.deepEqual(addressesOf(value), addresses));

test('at least one entry, never throws', () => {
  fc.assert(
    fc.property(anyText, (value) => assert.ok(addressesOf(value).length > 0)),
    { numRuns: 3000 },
  );
});

test('is linear', { timeout: 5000 }, () => {
  for (const [, text] of nasty) addressesOf(text);
});

const sizes: readonly (readonly [what: string, values: readonly string[], isReadable: boolean])[] = [
  ['no field', [], true],
  ['a hundred addresses', ['a@b.example,'.repeat(99) + 'a@b.example'], true],
  ['a hundred and one', ['a@b.example,'.repeat(100) + 'a@b.example'], false],
  ['a hundred and one in two fields', ['a@b.example,'.repeat(50), 'a@b.example,'.repeat(49)], false],
  ['16 KB', ['x'.repeat(16_384)], true],
  ['one octet more', ['x'.repeat(16_384), 'x'], false],
];
for (const [what, values, isReadable] of sizes)
  test(`${what}: ${isReadable ? 'is' : 'is not'} read`, () => assert.equal(areReadable(values), isReadable));

test('no more is read than what is readable', () => {
  assert.equal(addressesOf('a@b.example,'.repeat(5000)).length, 100);
  assert.equal(addressesOf('x'.repeat(500_000))[0]?.length, 16_384);
});
