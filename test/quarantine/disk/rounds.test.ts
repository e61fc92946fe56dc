import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
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

test('whoever comes when a round is just over and the next has not begun is in the next, with those who wait', async () => {
  const tick = Promise.resolve();
  for (let ticks = 0; ticks < 12; ticks++) {
    let end = (): void => {};
    let under = 0;
    const ended = new Set<string>();
    const enter = inRounds(async (items: readonly string[]) => {
      assert.equal(++under, 1);
      await (items.includes('a') ? new Promise<void>((resolve) => (end = resolve)) : delay(1));
      under--;
      for (const item of items) ended.add(item);
    });
    const come = async (item: string): Promise<void> => {
      await enter(item);
      assert.ok(ended.has(item), `${item}, ${ticks} ticks later`);
    };
    const all = [come('a'), come('b')];
    end();
    for (let i = 0; i < ticks; i++) await tick;
    all.push(come('c'));
    await Promise.all(all);
  }
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
