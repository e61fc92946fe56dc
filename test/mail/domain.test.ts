import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDomain } from '../../src/mail/domain.js';
import { anyText, nasty } from './nasty.js';

const label63 = 'a'.repeat(63);

/** [input, A-labels; undefined where it is no domain] */
const table: readonly (readonly [input: string, domain: string | undefined])[] = [
  ['example.com', 'example.com'],
  ['EXAMPLE.Com', 'example.com'],
  ['localhost', 'localhost'],
  ['_dmarc.example.com', '_dmarc.example.com'],
  ['_global_', '_global_'],
  ['1.example', '1.example'],
  ['a-b.example', 'a-b.example'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['BÜCHER.example', 'xn--bcher-kva.example'],
  ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ['XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
  ['straße.example', 'xn--strae-oqa.example'],
  ['例え.テスト', 'xn--r8jz45g.xn--zckzah'],
  [`${label63}.example`, `${label63}.example`],
  [`${'a.'.repeat(126)}b`, `${'a.'.repeat(126)}b`],
  ['', undefined],
  ['.', undefined],
  ['..', undefined],
  ['example.com.', undefined],
  ['.example.com', undefined],
  ['a..b', undefined],
  ['-a.example', undefined],
  ['a-.example', undefined],
  ['192.0.2.1', undefined],
  ['example.1', undefined],
  [`${label63}a.example`, undefined],
  [`${'a.'.repeat(127)}b`, undefined],
  ['a b.example', undefined],
  ['a\0.example', undefined],
  ['a/b.example', undefined],
  ['*', undefined],
  ['*.example.com', undefined],
  ['。', undefined],
  ['example。com', undefined],
  ['example\uff0ecom', undefined],
  ['example\uff61com', undefined],
  ['\uff45xample.com', undefined],
  ['exam\u00adple.com', undefined],
  ['exam\u200bple.com', undefined],
  ['exam\u200dple.com', undefined],
  ['bu\u0308cher.example', undefined],
  ['xn--', undefined],
  ['xn--.example', undefined],
  ['example.xn--com-', undefined],
  ['xn--example-.com', undefined],
  ['xn--a', undefined],
  ['xn--99999999', undefined],
  ['XN--\u00fc', undefined],
  ['\u202eexample.com', undefined],
  ['ⅷ.example', undefined],
  ['\ud800.example', undefined],
  ['[192.0.2.1]', undefined],
  ['a@b', undefined],
  ['a:25', undefined],
  ['a?b', undefined],
  ['a#b', undefined],
  ['a%2eb.example', undefined],
];
for (const [input, domain] of table) {
  test(`${JSON.stringify(input.length > 70 ? `${input.slice(0, 20)}… (${input.length})` : input)} is ${domain === undefined ? 'no domain' : 'one'}`, () => {
    assert.equal(parseDomain(input), domain);
  });
}

test('what comes out is A-labels, fit for a path and for the wire, and reads as itself; never throws', () => {
  const text = fc.oneof(
    anyText,
    fc.domain(),
    fc
      .array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }), { maxLength: 4 })
      .map((labels) => labels.join('.')),
  );
  fc.assert(
    fc.property(text, (input) => {
      const domain = parseDomain(input);
      if (domain === undefined) return;
      assert.match(domain, /^(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*$/);
      assert.ok(domain.length <= 253);
      assert.equal(parseDomain(domain), domain);
    }),
    { numRuns: 3000 },
  );
});

test('is linear', { timeout: 5000 }, () => {
  for (const [, text] of nasty) parseDomain(text);
});
