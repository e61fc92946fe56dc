import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DataReader } from '../../src/smtp/message/data-reader.js';

function read(chunks: readonly string[]): { text: string; rest: string | undefined; bare: boolean } {
  const reader = new DataReader();
  let text = '';
  for (const [i, chunk] of chunks.entries()) {
    const got = reader.push(Buffer.from(chunk, 'latin1'));
    text += got.text.toString('latin1');
    if (got.rest) {
      const rest = got.rest.toString('latin1') + chunks.slice(i + 1).join('');
      return { text, rest, bare: reader.sawBareNewline };
    }
  }
  return { text, rest: undefined, bare: reader.sawBareNewline };
}

const table: readonly (readonly [what: string, input: string, text: string, rest: string | undefined])[] = [
  ['CRLF . CRLF ends the message', 'a\r\n.\r\nQUIT', 'a\r\n', 'QUIT'],
  ['a dot alone on the first line is the empty message', '.\r\nQUIT', '', 'QUIT'],
  ['a stuffed dot loses one dot', '..a\r\n...\r\n.\r\n', '.a\r\n..\r\n', ''],
  ['a single dot before text is dropped too (RFC 5321 §4.5.2)', '.a\r\n.\r\n', 'a\r\n', ''],
  ['LF . LF does not end it', 'a\n.\nb\r\n.\r\n', 'a\r\n.\r\nb\r\n', ''],
  ['LF . CRLF does not end it', 'a\n.\r\nb\r\n.\r\n', 'a\r\n.\r\nb\r\n', ''],
  ['CRLF . LF does not end it, and its dot is unstuffed', 'a\r\n.\nb\r\n.\r\n', 'a\r\n\r\nb\r\n', ''],
  ['CRLF . CR does not end it', 'a\r\n.\rb\r\n.\r\n', 'a\r\n b\r\n', ''],
  ['CR . CR becomes spaces', 'a\r.\rb\r\n.\r\n', 'a . b\r\n', ''],
  ['CR CR LF is one line end', 'a\r\r\nb\r\r\n\r\r\nc\r\n.\r\n', 'a\r\nb\r\n\r\nc\r\n', ''],
  ['so is LF behind any number of CRs', 'a\r\r\r\r\r\nb\r\n.\r\n', 'a\r\nb\r\n', ''],
  ['of more than 1000 CRs before LF the first ones are spaces', `${'\r'.repeat(1002)}\n.\r\n`, '  \r\n', ''],
  ['CRs before anything else are spaces', 'a\r\r\rb\r\n.\r\n', 'a   b\r\n', ''],
  ['CRLF . CR CR LF does not end it, and its dot is unstuffed', 'a\r\n.\r\r\nb\r\n.\r\n', 'a\r\n\r\nb\r\n', ''],
  ['a dot behind CR CR LF is at the start of a line', 'a\r\r\n..b\r\r\n.\r\n', 'a\r\n.b\r\n', ''],
  ['CRLF NUL . CRLF does not end it', 'a\r\n\0.\r\nb\r\n.\r\n', 'a\r\n\0.\r\nb\r\n', ''],
  ['CRLF . NUL CRLF does not end it', 'a\r\n.\0\r\nb\r\n.\r\n', 'a\r\n\0\r\nb\r\n', ''],
  ['a dot behind a bare LF stays, for it is no line start of SMTP', 'a\n..b\r\n.\r\n', 'a\r\n..b\r\n', ''],
  ['8-bit octets stay', '\xff\x80\xc3(\r\n.\r\n', '\xff\x80\xc3(\r\n', ''],
  ['without an end there is none', 'a\r\n.', 'a\r\n', undefined],
];

for (const [what, input, text, rest] of table) {
  test(what, () => {
    assert.deepEqual(read([input]), { text, rest, bare: /(^|[^\r])\n|\r(?!\n)/.test(input) });
    assert.deepEqual(read(Array.from(input)), read([input]), 'octet by octet');
  });
}

const octets = fc
  .array(fc.constantFrom('\r', '\n', '.', 'a', '\r\n', '\r\n.\r\n', '\0'), { maxLength: 60 })
  .map((parts) => parts.join(''));

test('where no line is said to begin with a dot, none does', () => {
  const plain = new DataReader();
  plain.push(Buffer.from('a.\r\n b\r\n.\r\n'));
  assert.ok(plain.isDotless);
  fc.assert(
    fc.property(octets, fc.nat(60), (input, cut) => {
      const reader = new DataReader();
      const text = [input.slice(0, cut), input.slice(cut)].flatMap((chunk) => {
        return chunk === '' ? [] : [reader.push(Buffer.from(chunk, 'latin1')).text.toString('latin1')];
      });
      if (reader.isDotless) assert.doesNotMatch(text.join(''), /^\./m);
    }),
  );
});

test('any split of the stream reads the same', () => {
  fc.assert(
    fc.property(octets, fc.array(fc.nat(80), { maxLength: 8 }), (input, cuts) => {
      const at = [0, ...cuts.map((cut) => Math.min(cut, input.length)).toSorted((a, b) => a - b), input.length];
      const chunks = at
        .slice(1)
        .map((end, i) => input.slice(at[i], end))
        .filter((chunk) => chunk !== '');
      assert.deepEqual(read(chunks), read([input]));
    }),
    { numRuns: 3000 },
  );
});

test('what comes out has only CRLF line ends, and no end of data hides in it once dots are stuffed', () => {
  fc.assert(
    fc.property(octets, (input) => {
      const { text } = read([input]);
      assert.doesNotMatch(text, /(^|[^\r])\n|\r(?!\n)/);
    }),
    { numRuns: 3000 },
  );
});

test('a message with stuffed dots comes out as it was', () => {
  const line = fc
    .array(fc.constantFrom('.', 'a', '\0', ' ', '\xe4'), { maxLength: 8 })
    .map((parts) => `${parts.join('')}\r\n`);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 10 }), (lines) => {
      const wire = `${lines.map((l) => (l.startsWith('.') ? `.${l}` : l)).join('')}.\r\nNOOP`;
      assert.deepEqual(read([wire]), { text: lines.join(''), rest: 'NOOP', bare: false });
    }),
    { numRuns: 2000 },
  );
});
