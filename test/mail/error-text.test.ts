import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorText } from '../../src/mail/error-text.js';

const rows: readonly (readonly [what: string, thrown: unknown, text: string])[] = [
  ['an error is its message', new TypeError('no such thing'), 'no such thing'],
  ['a message that is no text is made one', Object.assign(new Error(), { message: 451 }), '451'],
  ['a text is itself', 'gone', 'gone'],
  ['nothing is said to be nothing', undefined, 'undefined'],
];

for (const [what, thrown, text] of rows) test(what, () => assert.equal(errorText(thrown), text));
