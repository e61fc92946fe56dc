import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeSubject } from '../../src/mail/encoded-word.js';

const octets = (text: string): string => Buffer.from(text).toString('latin1');

const subjects: readonly (readonly [string, string, string])[] = [
  ['plain text stays', 'hello', 'hello'],
  ['Q encoding', '=?utf-8?q?Gr=C3=BC=C3=9Fe_an_alle?=', 'Grüße an alle'],
  ['B encoding', '=?UTF-8?B?R3LDvMOfZQ==?=', 'Grüße'],
  ['an old charset', '=?iso-8859-1?Q?Gr=FC=DFe?=', 'Grüße'],
  ['a charset of several octets', '=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=', '日本'],
  ['white space between two words vanishes', '=?utf-8?q?a?= \t =?utf-8?q?b?=', 'ab'],
  ['white space beside other text stays', 'x =?utf-8?q?a?= y', 'x a y'],
  ['a character cut in two by the sender', '=?utf-8?q?Gr=C3?= =?utf-8?q?=BC=C3=9Fe?=', 'Grüße'],
  ['two charsets side by side', '=?utf-8?q?=C3=BC?= =?iso-8859-1?q?=FC?=', 'üü'],
  ['a language behind the charset', '=?utf-8*de?q?=C3=BC?=', 'ü'],
  ['an unknown charset stays raw', '=?x-klingon?q?a?=', '=?x-klingon?q?a?='],
  ['a broken word stays raw', '=?utf-8?q?abc', '=?utf-8?q?abc'],
  ['an unknown encoding stays raw', '=?utf-8?x?abc?=', '=?utf-8?x?abc?='],
  ['raw UTF-8 is UTF-8', octets('Grüße'), 'Grüße'],
  ['raw octets that are not UTF-8 stay', 'Gr\xfc\xdfe', 'Grüße'],
  ['text that is Unicode already stays', '日本 ü', '日本 ü'],
  ['octets that are not of the charset become U+FFFD', '=?utf-8?q?=FF?=', '\ufffd'],
  ['nothing', '', ''],
];

for (const [what, raw, expected] of subjects) {
  test(`subject: ${what}`, () => assert.equal(decodeSubject(raw), expected));
}

const hostile: readonly (readonly [string, string])[] = [
  ['20 000 encoded words', '=?utf-8?q?a?= '.repeat(20_000)],
  ['20 000 openings', '=?'.repeat(20_000)],
  ['20 000 words without an end', '=?a?q?'.repeat(20_000)],
  ['as many unknown charsets', Array.from({ length: 20_000 }, (_, i) => `=?x${i}?q?a?=`).join(' ')],
  ['one word of a megabyte', `=?utf-8?b?${'A'.repeat(1_000_000)}?=`],
  ['a megabyte of white space', `=?utf-8?q?a?=${' '.repeat(1_000_000)}=?utf-8?q?a?=`],
];

for (const [what, raw] of hostile) {
  test(`subject: ${what} in less than 200 ms`, () => {
    const start = performance.now();
    decodeSubject(raw);
    assert.ok(performance.now() - start < 200);
  });
}

test('subject: whatever is encoded comes back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (subject) => {
      assert.equal(
        decodeSubject(`=?utf-8?b?${Buffer.from(subject).toString('base64')}?=`),
        subject.replace(/^\ufeff/, ''),
      );
    }),
  );
});

test('subject: nothing throws', () => {
  const part = fc.constantFrom('=?', '?=', '?q?', '?b?', 'utf-8', '=', '_', ' ', '\xff', '=E2', 'utf-16', '*');
  fc.assert(fc.property(fc.array(part), (parts) => typeof decodeSubject(parts.join('')) === 'string'));
});
