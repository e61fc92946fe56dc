import assert from 'node:assert/strict';
import { test } from 'node:test';
import { senderText } from '../../../src/quarantine/look/sender.js';

const senders: readonly (readonly [what: string, from: string, headerFrom: string | undefined, shown: string])[] = [
  ['one and the same', 'a@b.example', 'Anna <A@B.example>', 'Anna <A@B.example>'],
  ['another envelope', 'x@list.example', 'Anna <a@b.example>', 'Anna <a@b.example> (envelope x@list.example)'],
  ['a bounce', '', 'Mail System <>', 'Mail System <>'],
  ['a null envelope behind a name', '', 'Anna <a@b.example>', 'Anna <a@b.example> (envelope <>)'],
  ['an old line', 'a@b.example', undefined, 'a@b.example'],
  ['no From: at all', '', '', '<>'],
  [
    'an address in the name',
    'info@bank.example',
    '"info@bank.example" <x@evil.example>',
    '"info@bank.example" <x@evil.example> (envelope info@bank.example)',
  ],
];

for (const [what, from, headerFrom, shown] of senders) {
  test(`the sender: ${what}`, () => {
    assert.equal(senderText({ from, ...(headerFrom !== undefined && { headerFrom }) }), shown);
  });
}
