import assert from 'node:assert/strict';
import { setImmediate as endOfTurn, setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { inRounds } from '../../../src/quarantine/disk/rounds.js';

test('each item is in one round, which begins after it came, and rounds do not overlap', async () => {
  const done: number[] = [];
  let rounds = 0;
  let under = 0;
  const enter = inRounds(async (items: readonly number[]) => {
    rounds++;
    assert.equal(++under, 1);
    await delay(Math.random() * 3);
    under--;
    done.push(...items);
  });
  const come = async (item: number): Promise<void> => {
    await delay(Math.random() * 50);
    await enter(item);
    assert.ok(done.includes(item));
  };
  await Promise.all(Array.from({ length: 200 }, (_, i) => come(i)));
  assert.equal(done.length, 200);
  assert.ok(rounds < 100, `${rounds} rounds for 200 items`);
});

test('a round that fails, fails for those who are in it, and only for those', async () => {
  let broken = true;
  const seen: string[][] = [];
  const enter = inRounds(async (items: readonly string[]) => {
    seen.push([...items]);
    const fails = broken;
    await delay(5);
    if (fails) throw new Error('EIO');
  });
  const first = enter('a');
  broken = false;
  const others = [enter('b'), enter('c')];
  await assert.rejects(first, /EIO/);
  await Promise.all(others);
  await enter('d');
  assert.deepEqual(seen, [['a'], ['b', 'c'], ['d']]);
});

test('who comes out of a round and goes in again is with those who wait for the next one', async () => {
  const seen: number[][] = [];
  let under = 0;
  const enter = inRounds(async (items: readonly number[]) => {
    assert.equal(++under, 1);
    await endOfTurn();
    under--;
    seen.push([...items]);
  });
  const again = enter(1).then(() => enter(3));
  await enter(2);
  assert.deepEqual(seen, [[1], [2, 3]]);
  await again;
});
