import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { headerEnd, parseHeader } from '../../src/mail/header.js';
import { anyOctets, nasty } from './nasty.js';

const parse = (text: string): ReturnType<typeof parseHeader> => parseHeader(Buffer.from(text, 'latin1'));

const fields: readonly (readonly [
  what: string,
  input: string,
  expected: readonly (readonly [name: string, value: string])[],
])[] = [
  ['a field', 'Subject: hello\r\n', [['subject', 'hello']]],
  ['a folded field', 'Subject: a\r\n b\r\n\tc\r\n', [['subject', 'a b\tc']]],
  ['white space before the colon', 'Subject \t: a\r\n', [['subject', 'a']]],
  ['an empty value', 'Subject:\r\n', [['subject', '']]],
  ['a value on the next line', 'Subject:\r\n a\r\n', [['subject', 'a']]],
  [
    'two fields',
    'A: 1\r\nB: 2\r\n',
    [
      ['a', '1'],
      ['b', '2'],
    ],
  ],
  ['the empty line behind', 'A: 1\r\n\r\n', [['a', '1']]],
  ['no final line end', 'A: 1', [['a', '1']]],
  ['8-bit octets', 'A: \xe4\xff\r\n', [['a', '\xe4\xff']]],
  ['a colon in the value', 'A: b:c\r\n', [['a', 'b:c']]],
  [
    'a line without a colon',
    'nothing\r\nA: 1\r\n',
    [
      ['', ''],
      ['a', '1'],
    ],
  ],
  ['a name with a space in it', 'A B: 1\r\n', [['', '']]],
  ['a name with 8-bit octets', '\xe4: 1\r\n', [['', '']]],
  ['no name', ': 1\r\n', [['', '']]],
  [
    'a first line that begins with white space',
    ' a: 1\r\nB: 2\r\n',
    [
      ['', ''],
      ['b', '2'],
    ],
  ],
  ['nothing', '', []],
  ['an empty line', '\r\n', []],
];
for (const [what, input, expected] of fields) {
  test(`fields: ${what}`, () => {
    assert.deepEqual(
      parse(input).fields.map(({ name, value }) => [name, value]),
      expected,
    );
  });
}

test('get finds the first, all finds all, without case', () => {
  const header = parse('X: 1\r\nx: 2\r\nY: 3\r\n');
  assert.equal(header.get('X'), '1');
  assert.equal(header.get('y'), '3');
  assert.equal(header.get('z'), undefined);
  assert.deepEqual(header.all('x'), ['1', '2']);
});

test('what every object has is no field', () => {
  const header = parse('__proto__: 1\r\n');
  assert.equal(header.get('__proto__'), '1');
  for (const name of ['constructor', 'toString', 'hasOwnProperty', ''])
    assert.equal(parse('A: 1\r\n').get(name), undefined);
});

const ends: readonly (readonly [input: string, end: number | undefined])[] = [
  ['\r\n', 2],
  ['\r\nbody', 2],
  ['A: 1\r\n\r\nbody', 8],
  ['A: 1\r\n\r\n\r\n', 8],
  ['A: 1\r\n', undefined],
  ['A: 1\r\n\r', undefined],
  ['A: 1\n\nbody', undefined],
  ['', undefined],
  ['\r', undefined],
];
for (const [input, end] of ends)
  test(`the header of ${JSON.stringify(input)} ends at ${end}`, () => assert.equal(headerEnd(Buffer.from(input)), end));

test('the raw fields are the octets, whatever they are; never throws', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(anyOctets, fc.constantFrom('A: 1\r\n', '\r\n', ' fold\r\n', 'B:')), { maxLength: 12 }),
      (parts) => {
        const lines = parts.join('').replace(/\r\n?|\n/g, '\r\n');
        const octets = Buffer.from(lines, 'latin1');
        const section = octets.subarray(0, headerEnd(octets) ?? octets.length);
        const raw = Buffer.concat(parseHeader(section).fields.map((field) => field.raw)).toString('latin1');
        const all = section.toString('latin1');
        assert.ok(raw === all || `${raw}\r\n` === all, JSON.stringify([raw, all]));
      },
    ),
    { numRuns: 3000 },
  );
});

test('is linear', { timeout: 5000 }, () => {
  for (const [, text] of nasty) {
    for (const section of [text, `From: ${text}\r\n\r\n`, `${text}: x\r\n\r\n`]) {
      headerEnd(Buffer.from(section, 'latin1'));
      parse(section).get('from');
    }
  }
});
