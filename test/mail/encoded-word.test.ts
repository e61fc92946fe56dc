import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { charsetParameter, decodeField } from '../../src/mail/encoded-word.js';

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
  [
    'windows-1252 has dashes and the euro where Latin-1 has controls',
    '=?Windows-1252?B?Q2Fm6SCWIDUwIIA=?=',
    'Café – 50 €',
  ],
  ['Latin-1 in mail is windows-1252', '=?iso-8859-1?q?=93a=94_=80?=', '“a” €'],
  ['raw octets without a charset are windows-1252', 'caf\xe9 \x96 50 \x80', 'café – 50 €'],
  ['cp932', '=?cp932?B?h0CQv4uBj5E=?=', '①請求書'],
  ['cp936', '=?cp936?B?t6LGsQ==?=', '发票'],
  ['gb18030 beyond GBK', '=?gb2312?B?t6LGsYE57jk=?=', '发票㐀'],
  ['Korean syllables beyond KS X 1001', '=?ks_c_5601-1987?B?xlKwoYFBoP6hQQ==?=', '힣가갂좤좥'],
  ['iso-2022-jp-ms', '=?iso-2022-jp-ms?B?GyRCQEE1YT1xGyhC?=', '請求書'],
  ['characters of NEC and IBM in ISO-2022-JP', '=?iso-2022-jp?B?GyRCLSF8IRsoQg==?=', '①釗'],
  [
    'words of ISO-2022-JP that each end in ASCII',
    '=?ISO-2022-JP?B?GyRCMnE1RCROJCpDTiRpJDskSBsoQg==?=\r\n =?ISO-2022-JP?B?GyRCRnxEeCROSlE5OSRLJEQkJCRGGyhC?=',
    '会議のお知らせと日程の変更について',
  ],
  ['words of ISO-2022-JP cut within a character', `=?iso-2022-jp?Q?=1B$BF|K?= =?iso-2022-jp?Q?=5C=1B(B?=`, '日本'],
  ['words of ISO-2022-JP cut between two characters', '=?iso-2022-jp?Q?=1B$BF|?= =?iso-2022-jp?Q?K=5C=1B(B?=', '日本'],
  ['raw ISO-2022-JP', '\x1b$BF|K\\\x1b(B 1', '日本 1'],
  ['UTF-7', '=?utf-7?Q?Hi_+AOQ-_+-_+2D3cyQ-?=', 'Hi ä + 📉'],
  ['UTF-7 with half a surrogate pair', '=?utf-7?Q?+2D0-x?=', '\ufffdx'],
  ['UTF-7 cut within a character', '=?utf-7?Q?+A?= =?utf-7?Q?OQ-?=', 'ä'],
  ['a charset that says it is unknown', '=?unknown-8bit?Q?caf=E9?= =?unknown-8bit?Q?caf=C3=A9?=', 'cafécafé'],
  ['half a character at the end', '=?gbk?B?t6LG?=', '发\ufffd'],
  ['half a character before a whole word', '=?utf-8?q?a=C3?= =?utf-8?q?b?=', 'a\ufffdb'],
  ['half a character before a word of another charset', '=?utf-8?q?a=C3?= =?iso-8859-1?q?=FC?=', 'a\ufffdü'],
  ['a character in three words', '=?utf-8?q?=E6?= =?utf-8?q?=97?= =?utf-8?q?=A5?=', '日'],
  ['nothing', '', ''],
];

for (const [what, raw, expected] of subjects) {
  test(`subject: ${what}`, () => assert.equal(decodeField(raw), expected));
}

const hostile: readonly (readonly [string, string])[] = [
  ['20 000 encoded words', '=?utf-8?q?a?= '.repeat(20_000)],
  ['20 000 openings', '=?'.repeat(20_000)],
  ['20 000 words without an end', '=?a?q?'.repeat(20_000)],
  ['20 000 words that each end within a character', '=?utf-8?q?=E6?= '.repeat(20_000)],
  ['20 000 words of Korean cut anywhere', '=?euc-kr?q?=B0?= '.repeat(20_000)],
  ['20 000 words of Japanese left open', '=?iso-2022-jp?q?=1B$B1?= '.repeat(20_000)],
  ['a megabyte of escape sequences', '\x1b$B'.repeat(350_000)],
  ['a megabyte of shifts', `=?utf-7?q?${'+A'.repeat(500_000)}?=`],
  ['as many unknown charsets', Array.from({ length: 20_000 }, (_, i) => `=?x${i}?q?a?=`).join(' ')],
  ['one word of a megabyte', `=?utf-8?b?${'A'.repeat(1_000_000)}?=`],
  ['a megabyte of white space', `=?utf-8?q?a?=${' '.repeat(1_000_000)}=?utf-8?q?a?=`],
];

for (const [what, raw] of hostile) {
  test(`subject: ${what} in less than a second of CPU time`, () => {
    const before = process.cpuUsage();
    decodeField(raw);
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 1_000_000);
  });
}

const contentTypes: readonly (readonly [string, string, string, string | undefined])[] = [
  ['Big5', '\xb5o\xb2\xbc\xa9M\xa6X\xac\xf9', 'text/plain; charset=big5', '發票和合約'],
  ['a quoted name', '\xb7\xa2\xc6\xb1', 'text/html; format=x; charset="GB2312"', '发票'],
  ['UTF-8, whatever the type says', octets('Grüße'), 'text/plain; charset=iso-8859-1', 'Grüße'],
  ['a charset that nobody knows', 'caf\xe9 \x96', 'text/plain; charset=x-klingon', 'café –'],
  ['no charset', 'caf\xe9', 'multipart/mixed; boundary=x', 'café'],
  ['half a character', '\xb5o\xb5', 'text/plain; charset=big5', '發\ufffd'],
];

for (const [what, raw, type, expected] of contentTypes) {
  test(`raw octets: ${what}`, () => assert.equal(decodeField(raw, charsetParameter(type)), expected));
}

test('subject: whatever is encoded comes back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (subject) => {
      assert.equal(
        decodeField(`=?utf-8?b?${Buffer.from(subject).toString('base64')}?=`),
        subject.replace(/^\ufeff/, ''),
      );
    }),
  );
});

test('subject: whatever is cut anywhere comes back', () => {
  const cuts = fc.array(fc.nat({ max: 400 }), { maxLength: 6 });
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 }), cuts, (subject, places) => {
      const whole = Buffer.from(subject);
      const ends = [...new Set([0, ...places.filter((at) => at < whole.length), whole.length])].toSorted(
        (a, b) => a - b,
      );
      const words = ends.slice(1).map((end, i) => `=?utf-8?b?${whole.toString('base64', ends[i], end)}?=`);
      assert.equal(decodeField(words.join('\r\n ')), subject.replace(/^\ufeff/, ''));
    }),
  );
});

test('subject: nothing throws', () => {
  const part = fc.constantFrom('=?', '?=', '?q?', '?b?', 'utf-8', '=', '_', ' ', '\xff', '=E2', 'utf-16', '*');
  fc.assert(fc.property(fc.array(part), (parts) => typeof decodeField(parts.join('')) === 'string'));
});
