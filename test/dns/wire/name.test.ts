import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { decodeName, encodeName, lowerName, skipName } from '../../../src/dns/wire/name.js';

const long = 'a'.repeat(63);
const name253 = [long, long, long, 'b'.repeat(61)].join('.');

const encodings: readonly (readonly [what: string, name: string, expected: string | undefined])[] = [
  ['an ordinary name', 'a.bc', '\x01a\x02bc\0'],
  ['a final dot is allowed', 'a.', '\x01a\0'],
  ['nothing is the root', '', '\0'],
  ['a single dot is the root', '.', '\0'],
  ['case is kept', 'aB', '\x02aB\0'],
  [
    'a space, an @ and the octets c-ares refuses are sent as they are',
    '!"#$%&\'() +,:;<=>?@[]^.x',
    '\x16!"#$%&\'() +,:;<=>?@[]^\x01x\0',
  ],
  ['NUL and octets over 0x7F are one octet each', '\0\x80\xff', '\x03\0\x80\xff\0'],
  ['a label of 63 octets', long, `\x3f${long}\0`],
  ['a label of 64 octets cannot exist', `${long}a`, undefined],
  ['253 octets', name253, `\x3f${long}\x3f${long}\x3f${long}\x3d${'b'.repeat(61)}\0`],
  ['254 octets cannot exist', `${name253}b`, undefined],
  ['an empty label in the middle cannot exist', 'a..b', undefined],
  ['an empty first label cannot exist', '.a', undefined],
  ['two final dots cannot exist', 'a..', undefined],
  ['a character that is no octet cannot exist', 'a\u0100', undefined],
];

for (const [what, name, expected] of encodings) {
  test(`encode: ${what}`, () => assert.equal(encodeName(name)?.toString('latin1'), expected));
}

const decodings: readonly (readonly [
  what: string,
  octets: string,
  at: number,
  expected: readonly [string, number] | undefined,
])[] = [
  ['labels', '\x01a\x02bc\0', 0, ['a.bc', 6]],
  ['the root', '\0', 0, ['', 1]],
  ['a pointer ends the name where it stands', '\x01a\0\x01b\xc0\0', 3, ['b.a', 7]],
  ['a pointer to itself', '\xc0\0', 0, undefined],
  ['a pointer forwards', '\xc0\x02\x01a\0', 0, undefined],
  ['pointers in a ring', '\xc0\x02\xc0\0', 2, undefined],
  ['a label and a pointer to it again', '\x01a\xc0\0', 0, undefined],
  ['half a pointer', '\x01a\xc0', 0, undefined],
  ['a label longer than the message', '\x05ab', 0, undefined],
  ['no end', '\x01a', 0, undefined],
  ['an extended label type', '\x41a\0', 0, undefined],
  ['a dot inside a label, which text cannot show', '\x03a.b\0', 0, undefined],
  ['behind the end', '\0', 5, undefined],
  ['255 octets', `${`\x3f${long}`.repeat(3)}\x3d${'b'.repeat(61)}\0`, 0, [name253, 255]],
  ['256 octets', `${`\x3f${long}`.repeat(3)}\x3e${'b'.repeat(62)}\0`, 0, undefined],
];

for (const [what, octets, at, expected] of decodings) {
  test(`decode: ${what}`, () => {
    const decoded = decodeName(Buffer.from(octets, 'latin1'), at);
    assert.deepEqual(decoded && [decoded.name, decoded.next], expected);
  });
}

test('only A to Z have another case', () => assert.equal(lowerName('AzÀ[\xc9.Ü'), 'azÀ[\xc9.Ü'));

const octet = fc.integer({ min: 0, max: 255 }).filter((value) => value !== 0x2e);
const label = fc.array(octet, { minLength: 1, maxLength: 63 }).map((octets) => String.fromCharCode(...octets));
const anyName = fc
  .array(label, { maxLength: 8 })
  .map((labels) => labels.join('.'))
  .filter((name) => name.length <= 253);

test('a name of any octets comes back as it was, wherever it stands', () => {
  fc.assert(
    fc.property(anyName, fc.uint8Array({ maxLength: 20 }), (name, before) => {
      const wire = encodeName(name);
      assert.ok(wire);
      const octets = Buffer.concat([before, wire, Buffer.of(7)]);
      const end = before.length + wire.length;
      assert.deepEqual(decodeName(octets, before.length), { name, next: end });
      assert.equal(skipName(octets, before.length), end);
    }),
  );
});

test('any octets decode to a name that encodes again, or to none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (octets, at) => {
      const decoded = decodeName(Buffer.from(octets), at);
      if (decoded) assert.ok(encodeName(decoded.name));
    }),
    { numRuns: 2000 },
  );
});
