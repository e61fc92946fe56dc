import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressesOf } from '../../src/mail/mailboxes.js';
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
