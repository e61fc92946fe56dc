/** Texts and numbers in lines of JSON: what JSON says of them, and nothing that acts on a terminal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { escaped, numberField, textField } from '../../src/lines/json-line.js';

test('any text comes out as it went in, and is harmless on its way', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const line = `{"first":1${textField('text', text)}}`;
      assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      assert.deepEqual(JSON.parse(line), { first: 1, text });
    }),
  );
});

test('what JSON leaves as it is stays so', () => {
  for (const text of ['', 'plain', '"', '\\', '\u001f ~\u007f', 'grüße 你好 👋', '</script>'])
    assert.equal(`"${escaped(text)}"`, JSON.stringify(text).replace('\u007f', '\\u007f'));
});

test('of what is not there nothing is said', () => {
  assert.equal(textField('x', undefined) + numberField('x', undefined), '');
  assert.equal(textField('x', '') + numberField('y', 0) + numberField('z', -1.5), ',"x":"","y":0,"z":-1.5');
});
