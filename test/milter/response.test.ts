import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Agreement } from '../../src/milter/negotiation.js';
import { type Edit, type EditKind, replyWith } from '../../src/milter/policy.js';
import { encodeAnswer, encodeEdits } from '../../src/milter/response.js';
import { answersIn } from '../support/milter-mta.js';

const all: Agreement = { version: 6, actions: 0x1ff, protocol: 0, lists: [] };

const replies: readonly [what: string, reply: readonly [number, string, string | string[]], expected: string][] = [
  ['a reply', [550, '5.7.1', 'No'], 'y550 5.7.1 No|'],
  ['% is doubled, since MTAs expand it', [550, '5.7.1', '100% %{j}'], 'y550 5.7.1 100%% %%{j}|'],
  [
    'control characters and line ends are taken out',
    [550, '5.7.1', 'a\r\n250 b\0\x1b[2J\tc'],
    'y550 5.7.1 a250 b[2Jc|',
  ],
  ['what is not ASCII is taken out', [550, '5.7.1', 'Grüße \u202e\u{1f600}!'], 'y550 5.7.1 Gre !|'],
  ['the class is that of the code', [451, '5.7.24', 'Later'], 'y451 4.7.24 Later|'],
  ['no enhanced code', [550, '', 'No'], 'y550 No|'],
  ['what is no enhanced code is left out', [550, '5.7.1 x', 'No'], 'y550 No|'],
  ['three lines', [550, '5.7.1', ['a', 'b', 'c']], 'y550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1 c|'],
  ['empty lines are left out', [550, '5.7.1', ['', 'a', ' \r\n', 'b', '']], 'y550-5.7.1 a\r\n550 5.7.1 b|'],
  ['no text', [550, '5.7.1', ''], 'y550 5.7.1 Command rejected|'],
  ['no text, for now', [451, '4.7.1', []], 'y451 4.7.1 Try again later|'],
  ['at most 32 lines', [550, '', Array.from({ length: 40 }, () => 'x')], `y${'550-x\r\n'.repeat(31)}550 x|`],
  ['at most 980 octets a line', [550, '', 'x'.repeat(2000)], `y550 ${'x'.repeat(980)}|`],
  ['a doubled % is not cut in two', [550, '', `${'x'.repeat(979)}%`], `y550 ${'x'.repeat(979)}|`],
  ['a doubled % at the very end', [550, '', '%'.repeat(490)], `y550 ${'%'.repeat(980)}|`],
];

for (const [what, [code, enhanced, text], expected] of replies) {
  test(`reply: ${what}`, () => assert.deepEqual(answersIn(encodeAnswer(replyWith(code, enhanced, text))), [expected]));
}

for (const code of [250, 354, 399, 600, 5500, Number.NaN, 450.5]) {
  test(`reply: ${code} is none of a filter`, () => assert.throws(() => encodeAnswer(replyWith(code, '', 'x'))));
}

const add = (value: string, name = 'X'): Edit => ({ kind: 'add-header', name, value });

const edits: readonly [what: string, edits: readonly Edit[], expected: readonly string[]][] = [
  ['a field at the end', [add('v')], ['hX|v|']],
  ['a field at the top', [{ kind: 'insert-header', index: 0, name: 'X', value: 'v' }], ['i[0]X|v|']],
  ['a change', [{ kind: 'change-header', name: 'X', index: 2, value: 'v' }], ['m[2]X|v|']],
  ['a deletion', [{ kind: 'delete-header', name: 'X', index: 2 }], ['m[2]X||']],
  ['folding by LF', [add('a\r\n\tb\n c')], ['hX|a\n\tb\n c|']],
  ['a line that would be a field of its own', [add('a\r\nBcc: x\rY: z\n')], ['hX|a\n\tBcc: x\n\tY: z|']],
  ['an empty line within', [add('a\n\n \t\n b')], ['hX|a\n b|']],
  ['controls', [add('a\0b\x1b[0m\tc')], ['hX|a?b?[0m\tc|']],
  ['8-bit octets', [add('\xc3\xa4')], ['hX|\xc3\xa4|']],
  ['characters that are no octets', [add('a\u20ac\u{1f600}')], ['hX|a??|']],
  ['the sender', [{ kind: 'change-sender', sender: '<a@b>' }], ['e<a@b>|']],
  [
    'the sender with parameters',
    [{ kind: 'change-sender', sender: '<a@b>', parameters: ['SIZE=1', 'X=2'] }],
    ['e<a@b>|SIZE=1 X=2|'],
  ],
  ['a recipient more', [{ kind: 'add-recipient', recipient: '<a@b>' }], ['+<a@b>|']],
  [
    'a recipient more, with parameters',
    [{ kind: 'add-recipient', recipient: '<a@b>', parameters: ['NOTIFY=NEVER'] }],
    ['2<a@b>|NOTIFY=NEVER|'],
  ],
  ['a recipient less', [{ kind: 'delete-recipient', recipient: '<a@b>' }], ['-<a@b>|']],
  ['a body', [{ kind: 'replace-body', body: Buffer.from('a\r\n') }], ['ba\r\n']],
  ['an empty body', [{ kind: 'replace-body', body: Buffer.alloc(0) }], ['b']],
  ['the hold queue', [{ kind: 'quarantine', reason: 'odd\r\nreason' }], ['qoddreason|']],
  ['the hold queue without a reason', [{ kind: 'quarantine', reason: '' }], ['qquarantined|']],
  [
    'changes and deletions first, deletions from the last one up, insertions in their order',
    [
      { kind: 'insert-header', index: 0, name: 'X', value: '1' },
      { kind: 'delete-header', name: 'X', index: 1 },
      { kind: 'insert-header', index: 0, name: 'X', value: '2' },
      { kind: 'delete-header', name: 'X', index: 3 },
      { kind: 'change-header', name: 'X', index: 2, value: 'v' },
    ],
    ['m[2]X|v|', 'm[3]X||', 'm[1]X||', 'i[0]X|1|', 'i[0]X|2|'],
  ],
];

for (const [what, list, expected] of edits) {
  test(`edit: ${what}`, () => assert.deepEqual(answersIn(Buffer.concat(encodeEdits(list, all))), expected));
}

test('edit: a large body goes out in pieces of 65,535 octets', () => {
  const frames = encodeEdits([{ kind: 'replace-body', body: Buffer.alloc(140_000, 'x') }], all);
  assert.deepEqual(
    frames.map((frame) => frame.length - 5),
    [65_535, 65_535, 8_930],
  );
});

test('edit: where values have their leading space, it is given, but not to an empty value that deletes', () => {
  const list: Edit[] = [add('v'), { kind: 'change-header', name: 'X', index: 1, value: '' }];
  const spaced = encodeEdits(list, { ...all, protocol: 0x100000 });
  assert.deepEqual(answersIn(Buffer.concat(spaced)), ['m[1]X||', 'hX| v|']);
});

const unoffered: readonly [kind: EditKind, edit: Edit, actions: number, expected: readonly string[]][] = [
  ['add-header', add('v'), 0x1fe, []],
  ['replace-body', { kind: 'replace-body', body: Buffer.alloc(1) }, 0x1fd, []],
  ['delete-header', { kind: 'delete-header', name: 'X', index: 1 }, 0x1ef, []],
  ['change-sender', { kind: 'change-sender', sender: '<>' }, 0x1bf, []],
  ['add-recipient', { kind: 'add-recipient', recipient: '<a@b>', parameters: ['X=1'] }, 0x17f, ['+<a@b>|']],
  ['add-recipient', { kind: 'add-recipient', recipient: '<a@b>', parameters: ['X=1'] }, 0x1fb, []],
];

for (const [kind, edit, actions, expected] of unoffered) {
  test(`edit: ${kind} under actions 0x${actions.toString(16)} is ${expected.length > 0 ? 'made plainer' : 'left out'}`, () => {
    assert.deepEqual(answersIn(Buffer.concat(encodeEdits([edit], { ...all, actions }))), expected);
  });
}

const impossible: readonly [what: string, edit: Edit][] = [
  ['a field name with a colon', add('v', 'X:')],
  ['a field name with a space', add('v', 'X Y')],
  ['an empty field name', add('v', '')],
  ['a field name of other letters', add('v', 'Ä')],
  ['a field over 65,535 octets', add('v'.repeat(65_534))],
  ['an address with a line end', { kind: 'add-recipient', recipient: '<a@b>\r\n' }],
  ['a parameter with a NUL', { kind: 'change-sender', sender: '<a@b>', parameters: ['a\0b'] }],
];

for (const [what, edit] of impossible) {
  test(`edit: ${what} is an error of the filter`, () => assert.throws(() => encodeEdits([edit], all)));
}

const octets = fc.string({ unit: 'binary', maxLength: 200 });

test('property: whatever a reply says, it is one valid reply', () => {
  const code = fc.integer({ min: 400, max: 599 });
  fc.assert(
    fc.property(code, octets, fc.array(octets, { maxLength: 40 }), (number, enhanced, lines) => {
      const [answer = ''] = answersIn(encodeAnswer(replyWith(number, enhanced, lines)));
      const text = answer.slice(1, -1).split('\r\n');
      for (const [i, line] of text.entries()) {
        assert.match(line, i < text.length - 1 ? /^\d{3}-[\x20-\x7e]+$/ : /^\d{3} [\x20-\x7e]+$/);
        assert.equal(Number(line.slice(0, 3)), number);
        assert.doesNotMatch(line.replaceAll('%%', ''), /%/);
      }
    }),
  );
});

test('property: whatever a value holds, it stays within its field', () => {
  fc.assert(
    fc.property(octets, (value) => {
      const [frame = Buffer.alloc(0)] = encodeEdits([add(value)], all);
      const data = frame.toString('latin1', 5);
      assert.match(data, /^X\0[^\0]*\0$/);
      assert.doesNotMatch(data.slice(2, -1), /\n(?![ \t])|[\x00-\x08\x0b-\x1f\x7f]|\n[ \t]*(\n|$)/);
    }),
  );
});
