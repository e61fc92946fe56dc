/** What a filter answers, read: whatever octets it sends, and all that our own filters can say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAgreement, parseAnswer } from '../../src/milter/client/answer.js';
import { FrameReader, frame, u32 } from '../../src/milter/codec.js';
import type { MilterFrame } from '../../src/milter/command.js';
import { replyWith } from '../../src/milter/policy.js';
import { encodeAnswer } from '../../src/milter/response.js';

/** As a reader would show them. */
function only(octets: Buffer): MilterFrame {
  const reader = new FrameReader(1 << 20);
  reader.push(octets);
  assert.ok(reader.next());
  return { code: reader.code, octets: reader.octets, start: reader.start, end: reader.end };
}

test('no octets make the reader throw, and what is no answer is called broken', () => {
  const octets = fc.uint8Array({ minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(octets, (data) => {
      const read = parseAnswer({ code: data[0] ?? 0, octets: Buffer.from(data), start: 1, end: data.length });
      if (!'acdrst4py+-2behimq'.includes(String.fromCharCode(data[0] ?? 0))) assert.equal(read.kind, 'broken');
      if (read.kind === 'reply') assert.ok(read.lines.every((line) => /^[\x20-\x7e]{1,400}$/.test(line)));
      parseAgreement({ code: 0x4f, octets: Buffer.from(data), start: 0, end: data.length });
    }),
  );
});

test('a reply that our own filters can give comes out as it went in', () => {
  const line = fc.stringMatching(/^[!-~](?:[ -~]{0,60}[!-~])?$/);
  const code = fc.integer({ min: 400, max: 599 });
  fc.assert(
    fc.property(code, fc.array(line, { minLength: 1, maxLength: 10 }), (number, lines) => {
      fc.pre(lines.every((text) => !/^[245]\.\d/.test(text)));
      const enhanced = `${Math.floor(number / 100)}.7.23`;
      const read = parseAnswer(only(encodeAnswer(replyWith(number, enhanced, lines))));
      assert.deepEqual(read, { kind: 'reply', code: number, enhanced, lines });
    }),
  );
});

for (const [what, text, expected] of [
  ['without an enhanced code', '550 no', { code: 550, enhanced: '', lines: ['no'] }],
  [
    'with one of another class, which is made to fit',
    '451 5.7.1 later',
    { code: 451, enhanced: '4.7.1', lines: ['later'] },
  ],
  ['without words', '550 5.7.1', { code: 550, enhanced: '5.7.1', lines: [] }],
  ['of a code alone', '550', { code: 550, enhanced: '', lines: [] }],
  ['with controls and octets beyond ASCII', '550 a\tb\xe4', { code: 550, enhanced: '', lines: ['a?b?'] }],
] as const)
  test(`a reply ${what}`, () => {
    assert.deepEqual(parseAnswer(only(frame('y', `${text}\0`))), { kind: 'reply', ...expected });
  });

for (const text of ['250 fine', '650 no', '55 no', 'no', '5500 no', ''])
  test(`"${text}" is no reply of a filter`, () => {
    assert.equal(parseAnswer(only(frame('y', `${text}\0`))).kind, 'broken');
  });

for (const [what, data, problem] of [
  ['too short', [u32(6), u32(0)], /fewer than 12 octets/],
  ['of version 1', [u32(1), u32(0), u32(0)], /the version 1, which was not offered/],
  ['of a later version', [u32(7), u32(0), u32(0)], /the version 7, which was not offered/],
  ['with actions that were not offered', [u32(6), u32(0x200), u32(0)], /actions that were not offered/],
  ['with a list that has no end', [u32(6), u32(0x100), u32(0), u32(1), 'i j'], /a list of macros without an end/],
] as const)
  test(`a negotiation ${what} is none`, () => {
    const read = parseAgreement(only(frame('O', ...data)));
    assert.match(read.ok ? '' : read.problem, problem);
  });

test('bits of the protocol that were not offered are passed over', () => {
  const read = parseAgreement(only(frame('O', u32(6), u32(0x101), u32(0x70000001), u32(2), 'i {mail_addr}\0')));
  assert.deepEqual(read.ok && read.value, {
    version: 6,
    actions: 0x101,
    protocol: 1,
    lists: new Map([[2, ['i', '{mail_addr}']]]),
  });
});
