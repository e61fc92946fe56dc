/** Changes to a header section: where a field comes to stand, and what of the others stays. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EditedHeader, type HeaderEdit, foldedText } from '../../src/mail/edits/header-edits.js';
import { parseHeader } from '../../src/mail/header.js';

const header = (): EditedHeader => new EditedHeader(parseHeader(Buffer.from('A: 1\r\nB: 2\r\n\t2\r\nb:3\r\n')).fields);

const cases: readonly (readonly [what: string, edit: HeaderEdit, above: string, below: string])[] = [
  ['above all', { kind: 'insert', index: 0, name: 'X', text: ' x' }, 'X: x\r\n', 'A: 1\r\nB: 2\r\n\t2\r\nb:3\r\n'],
  ['below ours', { kind: 'insert', index: 1, name: 'X', text: ' x' }, '', 'X: x\r\nA: 1\r\nB: 2\r\n\t2\r\nb:3\r\n'],
  [
    'behind ours that are shown',
    { kind: 'insert', index: 2, name: 'X', text: '' },
    '',
    'X:\r\nA: 1\r\nB: 2\r\n\t2\r\nb:3\r\n',
  ],
  [
    'behind the first of the mail',
    { kind: 'insert', index: 4, name: 'X', text: ' x' },
    '',
    'A: 1\r\nX: x\r\nB: 2\r\n\t2\r\nb:3\r\n',
  ],
  [
    'beyond the end',
    { kind: 'insert', index: 4_294_967_295, name: 'X', text: ' x' },
    '',
    'A: 1\r\nB: 2\r\n\t2\r\nb:3\r\nX: x\r\n',
  ],
  ['changed', { kind: 'change', index: 2, name: 'B', text: 'x' }, '', 'A: 1\r\nB: 2\r\n\t2\r\nB:x\r\n'],
  ['deleted', { kind: 'change', index: 1, name: 'B', text: '' }, '', 'A: 1\r\nb:3\r\n'],
  [
    'changed where there is none',
    { kind: 'change', index: 1, name: 'X', text: ' x' },
    '',
    'A: 1\r\nB: 2\r\n\t2\r\nb:3\r\nX: x\r\n',
  ],
];

for (const [what, edit, above, below] of cases)
  test(`a field ${what}, two of ours being shown`, () => {
    const edited = header();
    assert.equal(edited.apply(edit, 2), undefined);
    assert.deepEqual([edited.above.toString(), edited.below.toString()], [above, below]);
  });

test('all that is shown stands in one order, ours below what was put on top', () => {
  const edited = header();
  edited.apply({ kind: 'insert', index: 0, name: 'Top', text: '\n folded' }, 0);
  const names = edited.shown([{ name: 'Ours', text: ' x' }]).map(({ name, text }) => `${name}:${text}`);
  assert.deepEqual(names, ['Top:\n folded', 'Ours: x', 'A: 1', 'B: 2\n\t2', 'b:3']);
});

test('what is no name of a field is refused', () => {
  for (const name of ['', 'A B', 'A:', 'Ä', 'a\r\nb', 'x'.repeat(901)])
    assert.match(header().apply({ kind: 'add', name, text: '' }, 0) ?? '', /is no name of a header field$/, name);
});

test('no text begins a field, or holds a control character', () => {
  for (const [text, folded] of [
    [' a\n\tb\n c', ' a\n\tb\n c'],
    [' a\r\nBcc: b', ' a\n\tBcc: b'],
    [' a\rb\0c', ' a\n\tb?c'],
    [' a\n\n\nb\n', ' a\n\tb'],
    [' a\n \t\n', ' a'],
  ] as const)
    assert.equal(foldedText(text), folded, JSON.stringify(text));
});
