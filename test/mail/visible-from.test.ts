/** The From: field as people see it, of friendly, careless and hostile senders. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { visibleFrom } from '../../src/mail/shown/visible-from.js';
import { nasty } from './nasty.js';

const octets = (text: string): string => Buffer.from(text).toString('latin1');

const fields: readonly (readonly [what: string, raw: string, shown: string, charset?: string])[] = [
  ['an address', 'a@b.example', 'a@b.example'],
  ['an address in brackets', '<a@b.example>', 'a@b.example'],
  ['a name', 'Anna  Example <a@b.example>', 'Anna Example <a@b.example>'],
  [
    'a name in encoded words',
    '=?utf-8?q?J=C3=BCrgen?= =?utf-8?q?_M=C3=BCller?= <j@b.example>',
    'Jürgen Müller <j@b.example>',
  ],
  ['encoded words in quotes', '"=?utf-8?q?J=C3=BCrgen?=" <j@b.example>', 'Jürgen <j@b.example>'],
  ['raw UTF-8', octets('Jürgen <j@b.example>'), 'Jürgen <j@b.example>'],
  ['raw octets of a charset', '\xb5o\xb2\xbc <j@b.example>', '發票 <j@b.example>', 'big5'],
  ['an address beyond ASCII', octets('<jürgen@bücher.example>'), 'jürgen@bücher.example'],
  ['a quoted name with a comma', '"Müller, J." <j@b.example>', '"Müller, J." <j@b.example>'],
  ['a name with a quote in it', '"J. \\"Jo\\" M" <j@b.example>', '"J. \\"Jo\\" M" <j@b.example>'],
  ['a comma in an encoded word', '=?utf-8?q?M=C3=BCller,_J?= <j@b.example>', '"Müller, J" <j@b.example>'],
  ['a name behind the address', 'j@b.example (Jürgen)', 'Jürgen <j@b.example>'],
  ['a quoted local-part', '"a b"@c.example', 'ab@c.example'],
  ['two mailboxes', 'a@b.example, C <c@d.example>', 'a@b.example, C <c@d.example>'],
  ['a group', 'Us: a@b.example, c@d.example;', 'Us, a@b.example, c@d.example'],
  ['a name alone', 'MAILER-DAEMON', 'MAILER-DAEMON'],
  ['an empty address', 'MAILER-DAEMON <>', 'MAILER-DAEMON <>'],
  ['no field', '', ''],
  ['nothing but commas', ', ,,', ''],
  [
    'a name that looks like an address',
    'service@bank.example <x@evil.example>',
    '"service@bank.example" <x@evil.example>',
  ],
  [
    'an encoded name that looks like a whole mailbox',
    '=?utf-8?q?Bank_<info=40bank.example>?= <x@evil.example>',
    '"Bank <info@bank.example>" <x@evil.example>',
  ],
  ['an address in an encoded word and no other', '=?utf-8?q?info=40bank.example?=', 'info@bank.example'],
  [
    'two addresses in brackets',
    'Bank <info@bank.example> <x@evil.example>',
    'Bank <info@bank.example> <x@evil.example>',
  ],
  ['an encoded word in an address means nothing', '<=?utf-8?q?a?=@b.example>', '=?utf-8?q?a?=@b.example'],
  ['what a terminal might obey', '=?utf-8?q?=1B=5B2J=E2=80=AEx?= <a@b.example>', '"?[2J[U+202E]x" <a@b.example>'],
  ['line ends in an encoded word', '=?utf-8?q?a=0D=0AX:_y?= <a@b.example>', '"a X: y" <a@b.example>'],
];

for (const [what, raw, shown, charset] of fields) {
  test(`From: ${what}`, () => assert.equal(visibleFrom(raw, charset), shown));
}

test('a thousand mailboxes are cut after ten', () => {
  const shown = visibleFrom('a@b.example, '.repeat(1_000));
  assert.equal(shown, `${'a@b.example, '.repeat(10)}…`);
});

for (const [what, text] of nasty) {
  test(`From: ${what} costs little, and is shown short`, () => {
    const before = process.cpuUsage();
    assert.ok(visibleFrom(text).length <= 1_000);
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 1_000_000);
  });
}

test('From: whatever is in it, one harmless line comes out', () => {
  const part = fc.constantFrom(
    '"',
    '\\',
    '(',
    ')',
    '<',
    '>',
    ',',
    ':',
    ';',
    '@',
    ' ',
    'a',
    '=?utf-8?q?',
    '=0A',
    '?=',
    '\xff',
    '\x1b',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 60 }), (parts) => {
      assert.doesNotMatch(visibleFrom(parts.join('')), /\p{Cc}/u);
    }),
    { numRuns: 2_000 },
  );
});
