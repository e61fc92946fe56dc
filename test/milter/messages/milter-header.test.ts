import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MilterHeader } from '../../../src/milter/messages/milter-header.js';
import { encodeEdits } from '../../../src/milter/response.js';
import { FrameReader } from '../../../src/milter/codec.js';
import { readFilterFrame } from '../../../src/milter/testing/answers.js';
import { changedBy } from '../../../src/milter/testing/changed.js';
import type { Edit, HeaderField } from '../../../src/milter/policy.js';

const received = [
  ['Received', 'from a'],
  ['Subject', 'one\n two'],
  ['X-A', '1'],
  ['x-a', '2'],
  ['X-A', '3'],
  ['To', 'b'],
] as const;

const headerOf = (fields: readonly (readonly [string, string])[] = received): MilterHeader =>
  new MilterHeader(fields.map(([name, value]) => ({ name, value })));

const shown = (fields: readonly HeaderField[]): string[] => fields.map(({ name, value }) => `${name}: ${value}`);

/** What Postfix makes of the edits, in the order in which they are sent. */
function asMade(edits: readonly Edit[], fields: readonly HeaderField[]): readonly HeaderField[] {
  const all = { version: 6, actions: 0x1ff, protocol: 0, lists: [] };
  const reader = new FrameReader();
  reader.push(Buffer.concat(encodeEdits(edits, all)));
  const sent: Edit[] = [];
  while (reader.next()) {
    const frame = readFilterFrame(reader);
    if (frame.kind === 'edit') sent.push(frame.edit);
  }
  const mail = { sender: '', recipients: [], body: Buffer.alloc(0), quarantined: undefined };
  return changedBy(sent, { ...mail, header: fields }).header;
}

test('values are found in any case, unfolded and trimmed', () => {
  const header = headerOf();
  assert.equal(header.get('SUBJECT'), 'one two');
  assert.deepEqual(header.all('X-a'), ['1', '2', '3']);
  assert.equal(header.get('Cc'), undefined);
});

const changes: readonly [what: string, change: (header: MilterHeader) => void, edits: readonly Edit[]][] = [
  ['nothing', () => {}, []],
  [
    'set: the first gets the value, the others go',
    (header) => header.set('x-a', '9'),
    [
      { kind: 'change-header', name: 'X-A', index: 1, value: '9' },
      { kind: 'delete-header', name: 'x-a', index: 2 },
      { kind: 'delete-header', name: 'X-A', index: 3 },
    ],
  ],
  ['set to what it is', (header) => header.set('To', 'b'), []],
  ['set what is not there', (header) => header.set('Cc', 'c'), [{ kind: 'add-header', name: 'Cc', value: 'c' }]],
  [
    'set to nothing deletes nothing',
    (header) => header.set('To', ''),
    [{ kind: 'change-header', name: 'To', index: 1, value: ' ' }],
  ],
  [
    'set to line breaks, of which nothing is left, deletes nothing',
    (header) => header.set('To', '\r\n\n \r'),
    [{ kind: 'change-header', name: 'To', index: 1, value: ' ' }],
  ],
  [
    'insert: the last one is uppermost',
    (header) => {
      header.insert('X-1', 'a');
      header.insert('X-2', 'b');
    },
    [
      { kind: 'insert-header', index: 0, name: 'X-1', value: 'a' },
      { kind: 'insert-header', index: 0, name: 'X-2', value: 'b' },
    ],
  ],
  [
    'what is added and taken out again is nothing',
    (header) => {
      header.add('X-1', 'a');
      header.insert('X-1', 'b');
      header.remove('x-1');
    },
    [],
  ],
  [
    'change: by the value, and by the place',
    (header) => header.change('X-A', (value, index) => (value === '2' ? undefined : `${value}.${index}`)),
    [
      { kind: 'change-header', name: 'X-A', index: 1, value: '1.0' },
      { kind: 'delete-header', name: 'x-a', index: 2 },
      { kind: 'change-header', name: 'X-A', index: 3, value: '3.2' },
    ],
  ],
];

for (const [what, change, edits] of changes)
  test(`edits of a header: ${what}`, () => {
    const header = headerOf();
    change(header);
    assert.deepEqual(header.edits, edits);
  });

test('what an MTA makes of the edits is what the header shows, whatever is done to it', () => {
  const name = fc.constantFrom('A', 'a', 'B', 'C');
  const value = fc.constantFrom('1', '2', '3');
  const step = fc.oneof(
    fc.record({ do: fc.constant('set' as const), name, value }),
    fc.record({ do: fc.constant('add' as const), name, value }),
    fc.record({ do: fc.constant('insert' as const), name, value }),
    fc.record({ do: fc.constant('remove' as const), name, value }),
    fc.record({ do: fc.constant('change' as const), name, value }),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(name, value), { maxLength: 8 }),
      fc.array(step, { maxLength: 6 }),
      (fields, steps) => {
        const header = headerOf(fields);
        for (const one of steps) {
          if (one.do === 'remove') header.remove(one.name);
          else if (one.do === 'change') header.change(one.name, (old) => (old === one.value ? undefined : `${old}+`));
          else header[one.do](one.name, one.value);
        }
        const made = asMade(
          header.edits,
          fields.map(([of, is]) => ({ name: of, value: is })),
        );
        assert.deepEqual(shown(made), shown(header.fields));
      },
    ),
  );
});
