import assert from 'node:assert/strict';
import { dirname, resolve } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type PluginList, readPluginList } from '../../src/hooks/loading/list.js';
import { anyText, nasty } from '../mail/nasty.js';

function read(files: Readonly<Record<string, string>>, path = '/list'): PluginList {
  return readPluginList(path, {
    read: (name) => {
      const text = Object.hasOwn(files, name) ? files[name] : undefined;
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return text;
    },
    resolve: (from, name) => resolve(dirname(from), name),
  });
}

/** `place name arguments`, one a line; or the problem. */
const told = (list: PluginList): string =>
  list.ok
    ? list.value
        .map(({ place, name, args, anywhere }) => [place, name, ...args, ...(anywhere ? ['(anywhere)'] : [])].join(' '))
        .join('\n')
    : list.problem;

const table: readonly (readonly [what: string, text: string, expected: string])[] = [
  ['one plugin a line, in order', 'b\na\n', '/list:1 b\n/list:2 a'],
  ['arguments behind the name', 'date 30  2\t# days', '/list:1 date 30 2'],
  [
    'the word anywhere behind all else is no argument',
    'a x anywhere\nb anywhere y\nc',
    '/list:1 a x (anywhere)\n/list:2 b anywhere y\n/list:3 c',
  ],
  ['comments and empty lines', '# a\n\n  \n  #b\na # c\n', '/list:5 a'],
  ['a # inside an argument', 'a x#y', '/list:1 a x#y'],
  ['CRLF, and no final line end', 'a\r\nb x\r\nc', '/list:1 a\n/list:2 b x\n/list:3 c'],
  ['white space before a name', '  a', '/list:1 a'],
  ['an empty list', '', ''],
  ['a path for a name', '../../etc/x', '/list:1: "../../etc/x" is no plugin name (letters, digits, _ and -)'],
  ['a file for a name', 'a\nb.mjs', '/list:2: "b.mjs" is no plugin name (letters, digits, _ and -)'],
  ['a name beyond ASCII', 'größe', '/list:1: "größe" is no plugin name (letters, digits, _ and -)'],
  ['$include without a file', '$include', '/list:1: $include takes one file'],
  ['$include with two files', '$include a b', '/list:1: $include takes one file'],
  ['another $word', '$exclude a', '/list:1: "$exclude" is no plugin name (letters, digits, _ and -)'],
];
for (const [what, text, expected] of table) test(what, () => assert.equal(told(read({ '/list': text })), expected));

test('$include puts the other list in its place, from the folder of this one', () => {
  const files = { '/list': 'a\n$include sub/more # why\nd', '/sub/more': 'b x\n$include ../last\n', '/last': 'c' };
  assert.equal(told(read(files)), '/list:1 a\n/sub/more:1 b x\n/last:1 c\n/list:3 d');
});

test('a list included twice is read twice', () => {
  assert.equal(told(read({ '/list': '$include x\n$include x', '/x': 'a' })), '/x:1 a\n/x:1 a');
});

test('a list that includes itself is a problem that names the line, and comes to an end', () => {
  assert.match(told(read({ '/list': '$include list' })), /^\/list:1: .*\$include goes round in a circle/);
  assert.match(told(read({ '/list': '$include x', '/x': 'a\n$include list' })), /^\/list:1: \/x:2: .*circle/);
});

test('a circle in which each list includes the other twice comes to an end', { timeout: 5000 }, () => {
  assert.match(told(read({ '/list': '$include x\n$include x', '/x': '$include list\n$include list' })), /circle/);
});

test('a list that cannot be read is a problem that names the place, the file and the setting', () => {
  assert.match(told(read({})), /^\/list: cannot be read \(ENOENT\); the setting "plugins" names the list$/);
  assert.match(told(read({ '/list': '\n$include gone' })), /^\/list:2: \/gone: cannot be read \(ENOENT\)/);
});

test('never throws, and is linear', { timeout: 5000 }, () => {
  fc.assert(fc.property(anyText, (text) => assert.equal(typeof read({ '/list': text }).ok, 'boolean')));
  for (const [, text] of nasty) read({ '/list': text });
});
