import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { asciiText, decodeUtf8, fieldText, printable, shown } from '../../src/mail/text.js';
import { isTemporary, closing, reply, replyText } from '../../src/mail/reply.js';
import { anyText, nasty } from './nasty.js';

/** Half a pair of surrogates. */
const lone = /\p{Cs}/u;

/** [what, input, for logs, for replies] */
const table: readonly (readonly [what: string, input: string, printed: string, ascii: string])[] = [
  ['plain text', 'a b~', 'a b~', 'a b~'],
  ['line ends', 'a\r\nb', 'a??b', 'a??b'],
  ['tab and NUL', 'a\tb\0', 'a?b?', 'a?b?'],
  ['an escape sequence', '\x1b[2J', '?[2J', '?[2J'],
  ['DEL and C1', '\x7f\x9b', '??', '??'],
  ['letters beyond ASCII', 'Grüße', 'Grüße', 'Gr??e'],
  ['a right-to-left override', '\u202eabc', '?abc', '?abc'],
  ['zero width', 'a\u200bb\ufeff', 'a?b?', 'a?b?'],
  ['line and paragraph separators', 'a\u2028b\u2029', 'a?b?', 'a?b?'],
  ['an emoji is one character', '😀', '😀', '?'],
  ['a lone surrogate', 'a\ud83d', 'a?', 'a?'],
  ['a tag character', 'a\u{e0041}', 'a?', 'a?'],
  ['a joiner within an emoji', '👨\u200d👩\u200d👧', '👨\u200d👩\u200d👧', '?????'],
  ['a joiner behind a skin colour and a variation', '👨🏽\u200d💻❤️\u200d🔥', '👨🏽\u200d💻❤️\u200d🔥', '????????'],
  ['a non-joiner within a Persian word', 'می\u200cخواهم', 'می\u200cخواهم', '????????'],
  ['a joiner behind a virama', 'क्\u200dष', 'क्\u200dष', '????'],
  ['joiners that join nothing', '\u200da\u200d b\u200c1\u200c-', '?a? b?1?-', '?a? b?1?-'],
  ['joiners in a row', 'a\u200d\u200db', 'a??b', 'a??b'],
];
for (const [what, input, printed, ascii] of table) {
  test(what, () => {
    assert.equal(printable(input), printed);
    assert.equal(fieldText(input), printed);
    assert.equal(asciiText(input), ascii);
  });
}

test('people are shown which character would have turned the text around', () => {
  assert.equal(shown('invoice_\u202efdp.exe'), 'invoice_[U+202E]fdp.exe');
  assert.equal(shown('\u061ca\u2066b\u2069\u200e'), '[U+061C]a[U+2066]b[U+2069][U+200E]');
  assert.equal(shown('\u202e\x1b\u200bm', 5), '[U+2…');
  assert.equal(shown('Grüße'), 'Grüße');
});

test('long text is cut', () => {
  assert.equal(printable('x'.repeat(20), 10), `${'x'.repeat(9)}…`);
  assert.equal(asciiText('x'.repeat(20), 10), `${'x'.repeat(7)}...`);
  assert.equal(printable('x'.repeat(10), 10), 'x'.repeat(10));
  assert.doesNotMatch(printable(`${'x'.repeat(8)}😀😀`, 10), lone, 'never through a pair of surrogates');
});

test('whatever comes in, what goes out is one harmless line', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const invisible =
        /(?![\u200c\u200d])[\p{Cc}\p{Cf}\u2028\u2029]|[\u200c\u200d](?:[\u200c\u200d]|$)|^[\u200c\u200d]/u;
      assert.doesNotMatch(printable(text), invisible);
      assert.doesNotMatch(printable(text), lone);
      assert.doesNotMatch(shown(text), invisible);
      assert.match(asciiText(text), /^[ -~]*$/);
      const answer = reply(550, '5.7.1', text);
      assert.match(replyText(answer), /^550 5\.7\.1[ -~]*$/);
      assert.ok(replyText(answer).length <= 510, 'RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets');
    }),
    { numRuns: 3000 },
  );
});

test('octets that are valid UTF-8 are text, others are not', () => {
  assert.equal(decodeUtf8(Buffer.from('aé😀')), 'aé😀');
  assert.equal(decodeUtf8(Buffer.from([0xef, 0xbb, 0xbf, 0x61])), '\ufeffa', 'a byte order mark is no exception');
  for (const octets of [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]])
    assert.equal(decodeUtf8(Buffer.from(octets)), undefined);
});

test('421 closes, other codes do when they are told to', () => {
  assert.equal(reply(421, '4.3.2', 'x').close, true);
  assert.equal(reply(450, '4.2.0', 'x').close, false);
  assert.equal(closing(reply(221, '2.0.0', 'x')).close, true);
  assert.deepEqual(
    [399, 400, 499, 500].map((code) => isTemporary(reply(code, '', ''))),
    [false, true, true, false],
  );
  assert.equal(replyText(reply(354, '', 'go')), '354 go');
});

test('is linear', { timeout: 5000 }, () => {
  for (const [, text] of nasty) {
    printable(text, Infinity);
    asciiText(text, Infinity);
  }
});
