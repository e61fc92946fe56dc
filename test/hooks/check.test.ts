import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineCheck } from '../../src/hooks/check.js';
import { type Verdict, defer, note, pass, reject, skip } from '../../src/mail/verdict.js';
import { type Given, mail } from '../plugins/mail.js';

const objecting = { name: 'objecting', inspect: () => reject('always') };

const table: readonly (readonly [what: string, check: { inAll?: boolean }, given: Given, expected: string])[] = [
  ['not enabled', {}, {}, 'skip not enabled'],
  ['enabled by its name', {}, { checks: ['objecting'] }, 'reject'],
  ['enabled by all', {}, { checks: ['all'] }, 'reject'],
  ['not enabled by all', { inAll: false }, { checks: ['all'] }, 'skip not enabled'],
  ['left out of all, enabled by its name', { inAll: false }, { checks: ['objecting'] }, 'reject'],
  ['another check is enabled', {}, { checks: ['other'] }, 'skip not enabled'],
  ['the mail is rejected already', {}, { checks: ['all'], rejected: true }, 'skip rejected already'],
  ['the mail is pardoned', {}, { checks: ['all'], pardoned: 'whitelisted: x' }, 'skip whitelisted: x'],
];
for (const [what, check, given, expected] of table) {
  test(what, async () => {
    const verdict = await defineCheck({ ...objecting, ...check }).dataPost?.(mail(given));
    assert.equal(verdict?.kind === 'skip' ? `skip ${verdict.why}` : verdict?.kind, expected);
  });
}

test('a check that is off is not asked', async () => {
  const never = defineCheck({ name: 'never', inspect: () => assert.fail('asked') });
  assert.equal((await never.dataPost?.(mail({})))?.kind, 'skip');
});

/** [what, the verdict, what becomes of it where the marker holds `log`] */
const trials: readonly (readonly [what: string, verdict: Verdict, expected: Verdict])[] = [
  ['a rejection', reject('public', 'why'), note('log only, would reject: why')],
  ['a deferral', defer('public', 'why'), note('log only, would defer: why')],
  ['a pass', pass, pass],
  ['a skip', skip('why'), skip('why')],
];
for (const [what, verdict, expected] of trials) {
  test(`log only: ${what}`, async () => {
    const given = mail({ checks: ['x'] });
    const markers = { ...given.markers, checkMode: () => 'log' as const };
    assert.deepEqual(
      await defineCheck({ name: 'x', inspect: () => verdict }).dataPost?.({ ...given, markers }),
      expected,
    );
  });
}

test('markers that are broken are thrown on to the runner', () => {
  const check = defineCheck({ name: 'x', inspect: () => pass });
  const given = mail({});
  const markers = { ...given.markers, checkMode: () => assert.fail('EIO') };
  assert.throws(() => check.dataPost?.({ ...given, markers }), /EIO/);
});
