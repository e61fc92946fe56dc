import assert from 'node:assert/strict';
import { basename, join, normalize } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { entryName } from '../../src/srv/entry-name.js';
import { anyText, nasty } from '../mail/nasty.js';

const table: readonly (readonly [input: string, name: string | undefined])[] = [
  ['alice', 'alice'],
  ['Alice', 'alice'],
  ['JU\u0308RGEN', 'jürgen'],
  ['a b', 'a b'],
  ['...', '...'],
  ['.a', '.a'],
  ['**', '**'],
  ['a*', 'a*'],
  ['a\\b', 'a\\b'],
  ['-rf', '-rf'],
  ['~', '~'],
  ['a'.repeat(255), 'a'.repeat(255)],
  ['', undefined],
  ['.', undefined],
  ['..', undefined],
  ['*', undefined],
  ['/', undefined],
  ['a/b', undefined],
  ['../a', undefined],
  ['a\0', undefined],
  ['a\n', undefined],
  ['a\x7f', undefined],
  ['a\u0085', undefined],
  ['a'.repeat(256), undefined],
  ['é'.repeat(128), undefined],
  ['\u0958'.repeat(70), undefined],
];
for (const [input, name] of table)
  test(`${JSON.stringify(input.slice(0, 20))} (${input.length}) is ${name === undefined ? 'no entry' : 'one'}`, () =>
    assert.equal(entryName(input), name));

test('a name is one entry of its folder, for any text', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const name = entryName(text);
      if (name === undefined) return;
      assert.equal(normalize(join('/srv/x', name)), `/srv/x/${name}`);
      assert.equal(basename(name), name);
      assert.ok(Buffer.byteLength(name) <= 255);
      assert.notEqual(name, '*');
    }),
    { numRuns: 5000 },
  );
});

test('is linear', { timeout: 5000 }, () => {
  for (const [, text] of nasty) entryName(text);
});
