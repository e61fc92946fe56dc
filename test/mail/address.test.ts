import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { needsSmtpUtf8, parseAddress, parsePathArgument } from '../../src/mail/address.js';
import { anyOctets, anyText, nasty } from './nasty.js';

/** [input, local-part, domain, wire form] */
const addresses: readonly (readonly [input: string, localPart: string, domain: string, text: string])[] = [
  ['a@b.example', 'a', 'b.example', 'a@b.example'],
  ['A.B@B.Example', 'A.B', 'b.example', 'A.B@b.example'],
  ['"a"@b.example', 'a', 'b.example', 'a@b.example'],
  ['"a b"@b.example', 'a b', 'b.example', '"a b"@b.example'],
  ['"a\\"b"@b.example', 'a"b', 'b.example', '"a\\"b"@b.example'],
  ['"a\\\\b"@b.example', 'a\\b', 'b.example', '"a\\\\b"@b.example'],
  ['"\\a"@b.example', 'a', 'b.example', 'a@b.example'],
  ['"a@c"@b.example', 'a@c', 'b.example', '"a@c"@b.example'],
  ['"."@b.example', '.', 'b.example', '"."@b.example'],
  ['a..b@b.example', 'a..b', 'b.example', '"a..b"@b.example'],
  ['a.@b.example', 'a.', 'b.example', '"a."@b.example'],
  ['a/b*c%d!e@b.example', 'a/b*c%d!e', 'b.example', 'a/b*c%d!e@b.example'],
  ['jürgen@bücher.example', 'jürgen', 'xn--bcher-kva.example', 'jürgen@xn--bcher-kva.example'],
  ['a@[192.0.2.1]', 'a', '[192.0.2.1]', 'a@[192.0.2.1]'],
  ['a@[IPv6:2001:DB8::1]', 'a', '[ipv6:2001:db8::1]', 'a@[ipv6:2001:db8::1]'],
];
for (const [input, localPart, domain, text] of addresses) {
  test(`${input} is an address`, () => assert.deepEqual(parseAddress(input), { localPart, domain, text }));
}

const none = [
  '',
  '@',
  'a',
  'a@',
  '@b',
  'a@@b.example',
  'a b@c.example',
  'a,b@c.example',
  '(c)a@b.example',
  'a(c)@b.example',
  'g:a;@b.example',
  '<a@b.example>',
  '""@b.example',
  '"a@b.example',
  'a"@b.example',
  '"a"b@c.example',
  '"a"."b"@c.example',
  'a\\b@c.example',
  'a@b c.example',
  'a@[b]',
  'a\0@b.example',
  '"a\tb"@c.example',
  '"a\u0085b"@c.example',
  'a\u200b@b.example',
  '"a\u202eb"@c.example',
  '"a\u2028b"@c.example',
  '"a\\é"@b.example',
];
for (const input of none)
  test(`${JSON.stringify(input)} is no address`, () => assert.equal(parseAddress(input), undefined));

const path = (text: string): ReturnType<typeof parsePathArgument> => parsePathArgument(Buffer.from(text));

const paths: readonly (readonly [input: string, expected: string])[] = [
  ['<>', 'null'],
  ['<postmaster>', 'postmaster'],
  ['<PostMaster>', 'postmaster'],
  ['<a@b.example>', 'a@b.example'],
  ['<@x.example,@y.example:a@b.example>', 'a@b.example'],
  ['<"a>b"@c.example>', '"a>b"@c.example'],
  ['<"a\\">b"@c.example>', '"a\\">b"@c.example'],
  ['<root>', 'not a mailbox'],
  ['a@b.example', 'no path in angle brackets'],
  [' <a@b.example>', 'no path in angle brackets'],
  ['<a@b.example', 'no path in angle brackets'],
  ['<<a@b.example>>', 'no path in angle brackets'],
  ['<"a@b.example>', 'no path in angle brackets'],
  ['<a@b.example>x', 'bad parameter syntax'],
  ['<a@b.example> SIZE=', 'bad parameter syntax'],
  ['<a@b.example> =1', 'bad parameter syntax'],
  ['<a@b.example> SIZE=1 size=2', 'bad parameter syntax'],
  ['<a\0@b.example>', 'control character'],
  ['<a@b.example> A=\u0085', 'control character'],
  [
    `<${'a'.repeat(242)}@b.example>`,
    `${'a'.repeat(242)}@b.example`.length > 254 ? 'path too long' : `${'a'.repeat(242)}@b.example`,
  ],
  [`<${'a'.repeat(246)}@b.example>`, 'path too long'],
  [`<${'é'.repeat(125)}@b.example>`, 'path too long'],
  // With the quotes that it goes on with it is longer than a path may be.
  [`<${'a'.repeat(241)}..@b.example>`, 'path too long'],
];
for (const [input, expected] of paths) {
  test(`${JSON.stringify(input.slice(0, 40))} reads as ${JSON.stringify(expected.slice(0, 40))}`, () => {
    const read = path(input);
    const { value } = read.ok ? read : { value: undefined };
    const got = !read.ok ? read.problem : value?.path.kind === 'mailbox' ? value.path.address.text : value?.path.kind;
    assert.equal(got, expected);
  });
}

test('parameters: keywords in upper case, values as they are', () => {
  const read = path('<a@b.example> size=10  BODY=8BITMIME smtputf8 ');
  assert.ok(read.ok);
  assert.deepEqual(
    [...read.value.parameters],
    [
      ['SIZE', '10'],
      ['BODY', '8BITMIME'],
      ['SMTPUTF8', true],
    ],
  );
});

test('octets that are no UTF-8 are refused', () => {
  for (const octets of [
    [0x3c, 0xff, 0x3e],
    [0x3c, 0xc0, 0xaf, 0x40, 0x62, 0x3e],
    [0x3c, 0xed, 0xa0, 0x80, 0x3e],
  ])
    assert.deepEqual(parsePathArgument(Buffer.from(octets)), { ok: false, problem: 'not UTF-8' });
});

test('only the local-part needs SMTPUTF8', () => {
  for (const [text, needs] of [
    ['a@bücher.example', false],
    ['jürgen@b.example', true],
  ] as const) {
    const address = parseAddress(text);
    assert.ok(address);
    assert.equal(needsSmtpUtf8(address), needs);
  }
});

test('the wire form reads as the same address; never throws', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        anyText,
        anyText.map((text) => `"${text}"`),
      ),
      (local) => {
        const address = parseAddress(`${local}@b.example`);
        if (!address) return;
        assert.deepEqual(parseAddress(address.text), address);
        assert.doesNotMatch(address.text, /[\p{Cc}\u2028\u2029]/u, 'one line');
        assert.deepEqual(path(`<${address.text}>`), path(`<${local}@b.example>`));
      },
    ),
    { numRuns: 5000 },
  );
});

test('capitals in the domain, or quotes that nobody needs, make no other address', () => {
  const plain = fc.tuple(fc.stringMatching(/^[\w!#.+-]{1,70}$/), fc.stringMatching(/^[a-z0-9.-]{1,260}$/));
  fc.assert(
    fc.property(plain, ([local, domain]) => {
      const address = parseAddress(`${local}@${domain}`);
      assert.deepEqual(parseAddress(`${local}@${domain.toUpperCase()}`), address);
      if (!/\.\.|^\.|\.$/.test(local)) assert.deepEqual(parseAddress(`"${local}"@${domain}`), address);
    }),
    { numRuns: 5000 },
  );
});

test('any octets are a path or a problem', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        anyOctets,
        anyOctets.map((text) => `<${text}>`),
      ),
      (text) => {
        const read = parsePathArgument(Buffer.from(text, 'latin1'));
        assert.equal(typeof (read.ok ? read.value.path.kind : read.problem), 'string');
      },
    ),
    { numRuns: 5000 },
  );
});

test('is linear', { timeout: 5000 }, () => {
  for (const [, text] of nasty) {
    parseAddress(text);
    parseAddress(`${text}@b.example`);
    path(text);
    path(`<${text}>`);
    path(`<a@b.example> ${text}`);
  }
});
