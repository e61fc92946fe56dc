/** SPF_REGEX: Python's expressions in an engine whose time no record can blow up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePattern } from '../../../src/milter/submission/pattern.js';
import { ViolationTally } from '../../../src/milter/submission/tally.js';
import { cpuMs } from '../../support/cpu.js';

const matches: readonly [pattern: string, record: string, expected: boolean][] = [
  ['.*', '', true],
  ['^.*include:us\\.test.*$', 'v=spf1 include:us.test -all', true],
  ['^.*include:us\\.test.*$', 'v=spf1 include:usXtest -all', false],
  ['v=spf1', 'V=SPF1 -all', true],
  ['include', 'v=spf1 include:us.test', false],
  ['.*-all$', 'v=spf1 -all', true],
  ['.*-all\\Z', 'v=spf1 -all', true],
  ['.*-all\\Z', 'v=spf1 -all exp=x.test', false],
  ['.*a\\\\Z', 'v=spf1 a\\Z', true],
  ['(?P<who>.*):us', 'v=spf1 include:us', true],
  ['.*(?:include:us|a:out)\\.test', 'v=spf1 a:out.test -all', true],
  ['"v=spf1 -all"', 'v=spf1 -all', true],
];
for (const [pattern, record, expected] of matches)
  test(`${pattern} ${expected ? 'matches' : 'does not match'} ${record}`, () => {
    const parsed = parsePattern(pattern);
    assert.equal(parsed.ok && parsed.value.matches(record), expected);
  });

test('an expression that takes other engines years', () => {
  const parsed = parsePattern('^(a+)+$');
  assert.ok(parsed.ok);
  const began = cpuMs();
  assert.equal(parsed.value.matches(`${'a'.repeat(30_000)}!`), false);
  assert.ok(cpuMs() - began < 5000);
});

const wrong: readonly [pattern: string, expected: RegExp][] = [
  ['(', /^is no regular expression by RE2's syntax: missing closing \): `\(`$/],
  ['[a', /missing closing \]/],
  ['*', /missing argument/],
  ['^(?!.*us)', /; look-around and back-references are not to be had$/],
  ['(a)\\1', /; look-around and back-references are not to be had$/],
  ['(?:include:us){1000}', /^is too large/],
];
for (const [pattern, expected] of wrong)
  test(`no expression: ${pattern}`, () => {
    const parsed = parsePattern(pattern);
    assert.match(parsed.ok ? 'good' : parsed.problem, expected);
  });

test('a tally tells the most frequent domains, however many there are', () => {
  const tally = new ViolationTally();
  for (let i = 0; i < 5000; i++) {
    tally.note(`n${i}.test`, 'foreign');
    if (i % 2 === 0) tally.note('often.test', 'own');
    if (i % 4 === 0) tally.note('less.test', 'foreign');
  }
  assert.deepEqual(
    tally.top(2).map(({ domain, of }) => `${domain} ${of}`),
    ['often.test own', 'less.test foreign'],
  );
  assert.equal(tally.top(5000).length, 1000);
  tally.clear();
  assert.deepEqual(tally.top(2), []);
});
