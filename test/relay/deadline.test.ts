import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { Deadlines, type MailDeadline } from '../../src/relay/deadline.js';
import { until } from '../support/until.js';

/** Whoever waits; what they are told, and when. */
class Told {
  readonly words: string[] = [];

  watch(deadline: MailDeadline, name: string, behind: () => void = () => {}): MailDeadline {
    const close = (problem: string): void => {
      assert.ok(performance.now() >= deadline.at, `${name} is told too early`);
      this.words.push(`${name}: ${problem}`);
      behind();
    };
    deadline.watch({ close });
    return deadline;
  }
}

test('each is told when its own time is over, but for those who are done', async () => {
  const told = new Told();
  const deadlines = new Deadlines(40);
  told.watch(deadlines.begin(), 'first');
  await delay(20);
  told.watch(deadlines.begin(), 'done').done();
  const second = told.watch(deadlines.begin(), 'second');
  assert.equal(second.isOver, false);
  await until(() => told.words.length === 2);
  assert.deepEqual(told.words, ['first: nothing came of it within 40 ms', 'second: nothing came of it within 40 ms']);
  assert.equal(second.isOver, true);
  told.watch(second, 'late');
  assert.equal(told.words[2], 'late: nothing came of it within 40 ms');
});

test('whoever is told may end what others wait for, and begin anew', async () => {
  const told = new Told();
  const deadlines = new Deadlines(10);
  const begun = [deadlines.begin(), deadlines.begin(), deadlines.begin()] as const;
  told.watch(begun[0], 'first', () => {
    begun[1].done();
    told.watch(deadlines.begin(), 'anew');
  });
  told.watch(begun[1], 'ended');
  told.watch(begun[2], 'last');
  await until(() => told.words.length === 3);
  assert.deepEqual(
    told.words.map((words) => words.split(':')[0]),
    ['first', 'last', 'anew'],
  );
});
