import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Macros } from '../../src/milter/macros.js';

const code = (letter: string): number => letter.charCodeAt(0);
const definitions = (...pairs: readonly string[]): string => pairs.map((text) => `${text}\0`).join('');

function macros(...tables: readonly (readonly [letter: string, ...pairs: string[]])[]): Macros {
  const all = new Macros();
  for (const [letter, ...pairs] of tables) all.set(code(letter), definitions(...pairs));
  return all;
}

const table: readonly [what: string, all: Macros, name: string, expected: string | undefined][] = [
  ['a name of one letter', macros(['C', 'j', 'mx']), 'j', 'mx'],
  ['asked for with braces', macros(['C', 'j', 'mx']), '{j}', 'mx'],
  ['sent with braces', macros(['C', '{j}', 'mx']), 'j', 'mx'],
  ['a long name', macros(['M', '{auth_type}', 'PLAIN']), '{auth_type}', 'PLAIN'],
  ['a long name without braces', macros(['M', '{auth_type}', 'PLAIN']), 'auth_type', 'PLAIN'],
  ['a name that was not sent', macros(['C', 'j', 'mx']), 'i', undefined],
  ['an earlier stage', macros(['C', 'j', 'mx'], ['M', 'i', 'ID']), 'j', 'mx'],
  ['the latest stage wins', macros(['M', 'i', 'OLD'], ['E', 'i', 'NEW']), 'i', 'NEW'],
  ['a new table replaces the old one', macros(['M', 'i', 'ID'], ['M', 'j', 'mx']), 'i', undefined],
  ['a new table clears later stages', macros(['R', 'i', 'ID'], ['M', 'j', 'mx']), 'i', undefined],
  ['an empty table clears too', macros(['R', 'i', 'ID'], ['M']), 'i', undefined],
  ['those of a header field', macros(['M', 'i', 'OLD'], ['L', 'i', 'NEW']), 'i', 'NEW'],
  ['a table of an unknown command is nothing', macros(['M', 'i', 'ID'], ['\xff', 'i', 'X']), 'i', 'ID'],
  ['a name without value is none', macros(['M', 'i']), 'i', undefined],
  ['the name behind a pair neither', macros(['M', 'i', 'ID', 'j']), 'j', undefined],
  ['an empty value is a value', macros(['M', 'i', '']), 'i', ''],
  ['what objects are born with', macros(['M', 'i', 'ID']), '__proto__', undefined],
  ['unless it was sent', macros(['M', '__proto__', 'x']), '__proto__', 'x'],
];

for (const [what, all, name, expected] of table) {
  test(what, () => assert.equal(all.get(name), expected));
}

test('what is behind a command can be forgotten, and all of it', () => {
  const all = macros(['C', 'j', 'mx'], ['H', 'tls_version', 'TLSv1.3'], ['M', 'i', 'ID']);
  all.clearBehind(code('H'));
  assert.deepEqual([all.get('j'), all.get('tls_version'), all.get('i')], ['mx', 'TLSv1.3', undefined]);
  all.clear();
  assert.equal(all.get('j'), undefined);
});
