/** The channel between processes of a service, over a pipe of the test's own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Channel, news, question } from '../../../src/cli/service/channel.js';
import { pair } from '../../support/channel-pair.js';

const doubling = question<number, number>('double');
const greeting = news<string>('greet');

test('questions are answered each by its own answer, whatever their order', async () => {
  const [one, other] = pair();
  new Channel(other).answer(doubling, async (n) => {
    if (n === 1) await new Promise((resolve) => setTimeout(resolve, 20));
    return 2 * n;
  });
  const channel = new Channel(one);
  const answers = [1, 2, 3].map((n) => channel.ask(doubling, n, { otherwise: 0 }));
  assert.deepEqual(await Promise.all(answers), [2, 4, 6]);
});

test('a process that is stopped answers by what was agreed for that, and what it says later is not heard', async () => {
  const [one, other] = pair();
  new Channel(other).answer(doubling, (n) => 2 * n);
  const channel = new Channel(one);
  other.isStopped = true;
  assert.equal(await channel.ask(doubling, 1, { withinMs: 30, otherwise: -1 }), -1);
  one.emit('message', { postern: 'answer', id: 1, value: 2 });
  other.isStopped = false;
  assert.equal(await channel.ask(doubling, 2, { otherwise: -1 }), 4);
});

test('a question without a time of its own waits for a second', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const [one, other] = pair();
  other.isStopped = true;
  let answer: number | undefined;
  const asked = new Channel(one).ask(doubling, 1, { otherwise: -1 }).then((value) => (answer = value));
  t.mock.timers.tick(999);
  await Promise.resolve();
  assert.equal(answer, undefined);
  t.mock.timers.tick(1);
  assert.equal(await asked, -1);
});

test('a process that is gone is not waited for', async () => {
  const [one] = pair();
  one.connected = false;
  const channel = new Channel(one);
  assert.equal(await channel.ask(doubling, 1, { withinMs: 1_000_000, otherwise: -1 }), -1);
  channel.tell(greeting, 'nobody');
});

test('news is heard, and messages of others are passed over', async () => {
  const [one, other] = pair();
  const heard: string[] = [];
  new Channel(other).hear(greeting, (text) => void heard.push(text));
  other.emit('message', 'a text');
  other.emit('message', null);
  other.emit('message', { postern: 'tell', name: 'unknown' });
  new Channel(one).tell(greeting, 'hello');
  for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(heard, ['hello']);
});
