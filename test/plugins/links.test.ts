/** The hosts that links of a mail lead to, however they are written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hostsIn } from '../../plugins/shared/links.js';

const hostsOf = (content: Parameters<typeof hostsIn>[0]): string[] =>
  [...hostsIn(content)].filter((host) => host !== undefined);

const inText = (text: string): string => hostsOf({ text, html: '' }).join(' ');
const inHtml = (html: string): string => hostsOf({ text: '', html }).join(' ');

/** [what, the text, the hosts] */
const texts: readonly (readonly [what: string, text: string, hosts: string])[] = [
  ['no link', 'Hello, write to anna@example.com', ''],
  [
    'two, and one of them twice',
    'http://a.example/ https://b.example/x http://a.example:8080/y',
    'a.example b.example',
  ],
  ['brackets and full stops around it', '(see <http://a.example/>, or https://b.example.)', 'a.example b.example'],
  ['a name in front of the host', 'http://bank.example@evil.example/', 'evil.example'],
  ['capitals', 'HTTP://WWW.A.Example', 'www.a.example'],
  ['no scheme', 'go to www.a.example/now', 'www.a.example'],
  ['backslashes', 'http:\\\\a.example\\x', 'a.example'],
  ['percent signs', 'http://%61.example/', 'a.example'],
  ['a soft hyphen and wide letters', 'http://a\u00ad.example http://ｂ。example/', 'a.example b.example'],
  ['an umlaut', 'http://bücher.example/', 'xn--bcher-kva.example'],
  ['addresses', 'http://192.0.2.1/ http://3221225985/ http://[2001:db8::1]/ http://0xc0000201/', ''],
  ['what is no link', 'http:// https://% ftp://:80 http://..', ''],
];
for (const [what, text, hosts] of texts) test(`text: ${what}`, () => assert.equal(inText(text), hosts));

const htmls: readonly (readonly [what: string, html: string, hosts: string])[] = [
  [
    'an attribute of each kind',
    `<a href="http://a.example/"><img src='http://b.example/x'><form action=http://c.example>`,
    'a.example b.example c.example',
  ],
  ['entities', '<a href="http&colon;&#47;&#x2f;a&period;example/?x&amp;y">', 'a.example'],
  ['tabs and ends of lines within it', '<a href="\n ht\ttp://a.ex\r\nample/">', 'a.example'],
  ['no scheme', '<img src="//a.example/x.png">', 'a.example'],
  ['a link that is only shown', '<p>http://a.example/</p>', 'a.example'],
  ['other schemes', '<a href="mailto:a@a.example"><a href="cid:x@b.example"><a href="javascript:c.example">', ''],
];
for (const [what, html, hosts] of htmls) test(`HTML: ${what}`, () => assert.equal(inHtml(html), hosts));

test('no text makes it throw, and no host has a blank or a dot too many', () =>
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('http://', '<a href="', '&#', '.', '\\', '@', 'www.')),
      ),
      (parts) => {
        for (const host of hostsOf({ text: parts.join(''), html: parts.join('') }))
          assert.match(host, /^[^\s/@:]+[^.]$|^[^\s/@:.]$/);
      },
    ),
  ));

test('a quarter of a million links are read in one pass', () => {
  const html = '<a href="http://a.example/">'.repeat(9000);
  assert.equal(inHtml(html), 'a.example');
  assert.equal(inText('http:/'.repeat(40_000)), '');
});

test('whoever reads a mail of nothing but links may serve others in between', () => {
  const [plain, html] = ['www.a '.repeat(40_000), '<a href=//a>'.repeat(20_000)];
  const pauses = [...hostsIn({ text: plain, html })].filter((host) => host === undefined);
  assert.ok(pauses.length >= 200, `${pauses.length}`);
});
