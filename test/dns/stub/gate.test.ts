import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gate } from '../../../src/dns/stub/gate.js';

const never = new AbortController().signal;

test('so many enter at once, the others in the order in which they came', async () => {
  const door = gate(2);
  const order: number[] = [];
  const enter = async (n: number): Promise<void> => void ((await door.enter(never)) && order.push(n));
  assert.equal(door.enter(never), true);
  assert.equal(door.enter(never), true);
  const waiting = [enter(1), enter(2), enter(3)];
  door.leave();
  door.leave();
  await Promise.all(waiting.slice(0, 2));
  assert.deepEqual(order, [1, 2]);
  door.leave();
  await waiting[2];
  assert.deepEqual(order, [1, 2, 3]);
});

test('who gives up loses no place for the others', async () => {
  const door = gate(1);
  const abort = new AbortController();
  void door.enter(never);
  const impatient = door.enter(abort.signal);
  const patient = door.enter(never);
  abort.abort();
  assert.equal(await impatient, false);
  assert.equal(door.enter(abort.signal), false);
  door.leave();
  assert.equal(await patient, true);
  door.leave();
  assert.equal(door.enter(never), true);
});
