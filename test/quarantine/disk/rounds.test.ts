import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { inRounds } from '../../../src/quarantine/disk/rounds.js';

test('each item is in one round that begins after it came, rounds do not overlap, and each hears its own result', async () => {
  let rounds = 0;
  let under = 0;
  const done = inRounds(async (items: readonly number[]) => {
    rounds++;
    assert.equal(++under, 1);
    await delay(Math.random() * 3);
    under--;
    return items.map((item) => item * 2);
  });
  const come = async (item: number): Promise<void> => {
    await delay(Math.random() * 50);
    assert.equal(await done(item), item * 2);
  };
  await Promise.all(Array.from({ length: 200 }, (_, i) => come(i)));
  assert.ok(rounds < 100, `${rounds} rounds for 200 items`);
});

test('a round that fails fails those who are in it, and only those', async () => {
  let broken = true;
  const seen: string[][] = [];
  const done = inRounds(async (items: readonly string[]) => {
    seen.push([...items]);
    const fails = broken;
    await delay(5);
    if (fails) throw new Error('EIO');
    return items;
  });
  const first = done('a');
  broken = false;
  const others = [done('b'), done('c')];
  await assert.rejects(first, /EIO/);
  assert.deepEqual(await Promise.all(others), ['b', 'c']);
  assert.equal(await done('d'), 'd');
  assert.deepEqual(seen, [['a'], ['b', 'c'], ['d']]);
});
