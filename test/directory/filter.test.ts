/** What a client said never becomes more than a value of the operator's search filter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type EqualityFilter, FilterParser } from 'ldapts';
import { type FilterTemplate, parseFilter, type Placeholder } from '../../src/directory/filter.js';

function filter(text: string, places: readonly Placeholder[] = ['d']): FilterTemplate {
  const parsed = parseFilter(text, places);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.problem);
  return parsed.value;
}

const expansions: readonly [what: string, domain: string, expected: string][] = [
  ['a domain is itself', 'a.example', '(dc=a.example)'],
  ['a star is no wildcard', '*', String.raw`(dc=\2a)`],
  ['a parenthesis ends nothing', 'a)(objectClass=*', String.raw`(dc=a\29\28objectClass=\2a)`],
  ['a backslash escapes nothing', String.raw`\2a`, String.raw`(dc=\5c2a)`],
  ['NUL is written', 'a\0b', String.raw`(dc=a\00b)`],
  ['a place in a value is no place', '%d', '(dc=%d)'],
  ['beyond US-ASCII', 'bücher.example', '(dc=bücher.example)'],
];
for (const [what, domain, expected] of expansions)
  test(what, () => assert.equal(filter('(dc=%d)').expand({ d: domain }), expected));

test('whatever the octets, they come out as the one value that went in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      const parsed = FilterParser.parseString(filter('(dc=%d)').expand({ d: text })) as EqualityFilter;
      assert.equal(parsed.constructor.name, 'EqualityFilter');
      assert.equal(Buffer.from(parsed.value).toString('utf8'), Buffer.from(text).toString('utf8'));
    }),
  );
});

const good: readonly [what: string, text: string, places: readonly Placeholder[], expected: string][] = [
  ['every place is filled', '(|(dc=%d)(x=%d))', ['d'], '(|(dc=d.example)(x=d.example))'],
  ['parentheses around all may be missing', 'dc=%d', ['d'], '(dc=d.example)'],
  ['spaces between parts are forgiven', '(& (a=b c) ( | (dc=%d) (x=y)) )', ['d'], '(&(a=b c)(|(dc=d.example)(x=y)))'],
  ['an address in parts', '(&(uid=%u)(dc=%d)(mail=%s))', ['d', 'u', 's'], '(&(uid=u)(dc=d.example)(mail=u@d.example))'],
  ['a letter that is no place here is itself', '(&(a=%u)(dc=%d))', ['d'], '(&(a=%u)(dc=d.example))'],
];
for (const [what, text, places, expected] of good)
  test(what, () => assert.equal(filter(text, places).expand({ d: 'd.example', u: 'u', s: 'u@d.example' }), expected));

const bad: readonly [what: string, text: string, expected: RegExp][] = [
  ['no place', '(dc=example)', /must hold %d/],
  ['one parenthesis too few', '(&(a=b)(dc=%d)', /unbalanced parentheses/],
  ['one too many', '(dc=%d))', /unbalanced parentheses/],
  ['two filters', '(a=b)(dc=%d)', /unbalanced parentheses/],
  ['far too deep', `${'(!'.repeat(60)}(dc=%d)${')'.repeat(60)}`, /more than 40 deep/],
  ['no attribute', '(=%d)', /RFC 4515/],
  ['no comparison', '(dc%d)', /RFC 4515/],
];
for (const [what, text, expected] of bad)
  test(`no filter: ${what}`, () => {
    const parsed = parseFilter(text, ['d']);
    assert.match(parsed.ok ? 'good' : parsed.problem, expected);
  });
