import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineCheck } from '../../src/hooks/check.js';
import type { DataContext, Plugin } from '../../src/hooks/plugin.js';
import { type HookOutcome, type NotedVerdict, runHook } from '../../src/hooks/run.js';
import { HookTable } from '../../src/hooks/table.js';
import { reply } from '../../src/mail/reply.js';
import { type Verdict, defer, pass, refuse, reject, score, skip } from '../../src/mail/verdict.js';
import { type TestMail, testMail } from '../../src/hooks/testing.js';

const objecting = { name: 'objecting', inspect: () => reject('always') };

const table: readonly (readonly [what: string, check: { inAll?: boolean }, given: TestMail, expected: string])[] = [
  ['not enabled', {}, {}, 'skip not enabled'],
  ['enabled by its name', {}, { checks: ['objecting'] }, 'fail always'],
  ['enabled by all', {}, { checks: ['all'] }, 'fail always'],
  ['not enabled by all', { inAll: false }, { checks: ['all'] }, 'skip not enabled'],
  ['left out of all, enabled by its name', { inAll: false }, { checks: ['objecting'] }, 'fail always'],
  ['another check is enabled', {}, { checks: ['other'] }, 'skip not enabled'],
  ['the mail is rejected already', {}, { checks: ['all'], rejected: true }, 'skip rejected already'],
  ['the mail is pardoned', {}, { checks: ['all'], pardoned: 'whitelisted: x' }, 'skip whitelisted: x'],
];
for (const [what, check, given, expected] of table) {
  test(what, async () => {
    const { log } = await judged(defineCheck({ ...objecting, ...check }), testMail(given));
    assert.deepEqual(log, [expected]);
  });
}

test('a check that is off is not asked', async () => {
  const never = defineCheck({ name: 'never', inspect: () => assert.fail('asked') });
  assert.deepEqual((await judged(never, testMail({}))).log, ['skip not enabled']);
});

/** One plugin at the end of the mail: the outcome, and its line in the log. */
async function judged(
  plugin: Plugin,
  context: DataContext,
): Promise<{ outcome: HookOutcome; log: string[]; noted: readonly NotedVerdict[] }> {
  const log: string[] = [];
  const noted: NotedVerdict[] = [];
  const line = (details: object, text: string): void => {
    log.push([text, ...('why' in details ? [details.why] : [])].join(' '));
  };
  const outcome = await runHook({
    hook: 'dataPost',
    id: 'TEST',
    plugins: new HookTable([plugin]),
    context,
    log: () => ({ debug: line, info: line, warn: line, error: line }),
    debug: true,
    timeoutMs: 30,
    note: (said) => void noted.push(said),
  });
  return { outcome, log, noted };
}

/** [what, the check's answer, what the runner says then] */
const trials: readonly (readonly [what: string, answer: () => Verdict | Promise<Verdict>, said: string])[] = [
  ['a rejection', () => reject('public', 'why'), 'note log only, would reject: why'],
  ['a deferral', () => defer('public', 'why'), 'note log only, would defer: why'],
  ['points', () => score(2, 'why'), 'note log only, would add 2 points: why'],
  ['a pass', () => pass, 'pass'],
  ['a skip', () => skip('why'), 'skip why'],
  ['an exception', () => assert.fail('oops'), 'error oops'],
  ['a rejected promise', () => Promise.reject(new Error('oops')), 'error oops'],
  ['no answer in time', () => new Promise(() => {}), 'error no verdict within 30 ms'],
];
for (const [what, answer, said] of trials) {
  test(`log only: ${what} stops nothing`, async () => {
    const given = testMail({ checks: ['x'] });
    const markers = { ...given.markers, checkModes: () => () => 'log' as const };
    const { outcome, log } = await judged(defineCheck({ name: 'x', inspect: answer }), { ...given, markers });
    assert.deepEqual(outcome, { kind: 'go on' });
    assert.deepEqual(log, [said]);
  });
}

/** [what, the check's answer, what the runner says then] */
const weighed: readonly (readonly [what: string, answer: () => Verdict, said: string])[] = [
  ['a rejection', () => reject('public', 'why'), 'score why'],
  ['a refusal', () => refuse(reply(554, '5.7.1', 'public'), 'why'), 'score why'],
  ['points of its own', () => score(-3, 'why'), 'score why'],
  ['a deferral', () => defer('public', 'why'), 'defer why'],
  ['a pass', () => pass, 'pass'],
  ['an exception', () => assert.fail('oops'), 'error oops'],
];
for (const [what, answer, said] of weighed) {
  test(`points: what becomes of ${what}`, async () => {
    const given = testMail({ checks: ['x'] });
    const markers = { ...given.markers, checkModes: () => () => ({ points: 2.5 }) };
    const { log, noted } = await judged(defineCheck({ name: 'x', inspect: answer }), { ...given, markers });
    assert.deepEqual(log, [said]);
    const points = said === 'score why' ? [what === 'points of its own' ? -3 : 2.5] : [];
    assert.deepEqual(
      noted.flatMap(({ verdict }) => (verdict.kind === 'score' ? [verdict.points] : [])),
      points,
    );
  });
}

test('markers that cannot be read defer the mail', async () => {
  const given = testMail({});
  const markers = { ...given.markers, checkModes: () => assert.fail('EIO') };
  const { outcome, log } = await judged(defineCheck({ name: 'x', inspect: () => pass }), { ...given, markers });
  assert.deepEqual([outcome.kind, log], ['stop', ['error EIO']]);
});

test('a check that answers nothing is told so in its own words', async () => {
  const boom = defineCheck({ name: 'boom', inspect: () => undefined as unknown as Verdict });
  const { log } = await judged(boom, testMail({ checks: ['boom'] }));
  assert.deepEqual(log, ['error boom: inspect returned undefined, not a verdict']);
});

/** [the markers, who is asked where they are known ahead: what is off is not even looked at] */
const ahead: readonly (readonly [markers: readonly string[], asked: string])[] = [
  [[], 'plain list'],
  [['other'], 'plain list'],
  [['all'], 'plain list ordinary'],
  [['apart'], 'plain list apart'],
  [['ordinary', 'apart', 'second'], 'plain list ordinary apart two'],
];
const listed: readonly Plugin[] = [
  { name: 'plain', dataPost: () => pass },
  defineCheck({ name: 'list', list: 'list', inspect: () => pass }),
  defineCheck({ name: 'ordinary', inspect: () => pass }),
  defineCheck({ name: 'apart', inAll: false, inspect: () => pass }),
  { name: 'two', inAll: false, switches: ['first', 'second'], dataPost: () => pass },
];
for (const [markers, asked] of ahead) {
  test(`the markers are ${markers.join(', ') || 'none'}: possible are ${asked}`, () => {
    const possible = new HookTable(listed).possible(new Set(markers));
    assert.equal(possible.map(({ name }) => name).join(' '), asked);
  });
}

/** The mail goes through one check that objects, and what is known ahead is this. */
const checkedWith = (given: TestMail, checkNames: () => ReadonlySet<string> | undefined): unknown => {
  const noted: string[] = [];
  const log = { debug: assert.fail, info: () => {}, warn: assert.fail, error: () => {} };
  const outcome = runHook({
    hook: 'dataPost',
    id: 'TEST',
    plugins: new HookTable([defineCheck(objecting)]),
    context: testMail(given),
    checkNames,
    log: () => log,
    debug: false,
    timeoutMs: 30,
    note: ({ verdict }) => void noted.push(verdict.kind),
  });
  assert.deepEqual(outcome, { kind: 'go on' });
  return noted;
};

test('markers that are not known ahead are asked about at each check', () => {
  const given = { checks: ['objecting'] };
  assert.deepEqual(
    checkedWith(given, () => undefined),
    ['reject'],
  );
  assert.deepEqual(
    checkedWith(given, () => assert.fail('EIO')),
    ['reject'],
  );
  assert.deepEqual(
    checkedWith(given, () => new Set(['objecting'])),
    ['reject'],
  );
  assert.deepEqual(
    checkedWith(given, () => new Set()),
    [],
  );
});
