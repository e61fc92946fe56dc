import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineCheck } from '../../src/hooks/check.js';
import { runHook } from '../../src/hooks/run.js';
import { type Verdict, defer, pass, reject, skip } from '../../src/mail/verdict.js';
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

/** [what, the check's answer, what the runner says then] */
const trials: readonly (readonly [what: string, answer: () => Verdict | Promise<Verdict>, said: string])[] = [
  ['a rejection', () => reject('public', 'why'), 'note log only, would reject: why'],
  ['a deferral', () => defer('public', 'why'), 'note log only, would defer: why'],
  ['a pass', () => pass, 'pass'],
  ['a skip', () => skip('why'), 'skip why'],
  ['an exception', () => assert.fail('oops'), 'error oops'],
  ['a rejected promise', () => Promise.reject(new Error('oops')), 'error oops'],
  ['no answer in time', () => new Promise(() => {}), 'error no verdict within 30 ms'],
];
for (const [what, answer, said] of trials) {
  test(`log only: ${what} stops nothing`, async () => {
    const given = mail({ checks: ['x'] });
    const markers = { ...given.markers, checkMode: () => 'log' as const };
    const log: string[] = [];
    const line = (details: object, text: string): void => {
      log.push([text, ...('why' in details ? [details.why] : [])].join(' '));
    };
    const outcome = await runHook({
      hook: 'dataPost',
      plugins: [defineCheck({ name: 'x', inspect: answer })],
      context: () => ({ ...given, markers }),
      log: { debug: line, info: line, error: line },
      timeoutMs: 30,
      note: ({ verdict }) => assert.fail(verdict.kind),
    });
    assert.deepEqual(outcome, { kind: 'go on' });
    assert.deepEqual(log, [said]);
  });
}

test('markers that are broken are thrown on to the runner', () => {
  const check = defineCheck({ name: 'x', inspect: () => pass });
  const given = mail({});
  const markers = { ...given.markers, checkMode: () => assert.fail('EIO') };
  assert.throws(() => check.dataPost?.({ ...given, markers }), /EIO/);
});
