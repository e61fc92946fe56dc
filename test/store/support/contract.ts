import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Store, StoreAnswer } from '../../../src/store/store.js';
import { nasty } from '../../mail/nasty.js';

const value = async <T>(answer: Promise<StoreAnswer<T>>): Promise<T> => {
  const got = await answer;
  assert.ok(got.ok, got.ok ? '' : got.problem);
  return got.value;
};

const long = 60_000;
/** Long enough for a slow machine to ask twice before it is over. */
const short = 1500;

/** Sentences that hold of a store that is empty. */
export async function storeContract(t: TestContext, store: Store): Promise<void> {
  await t.test('nothing is known of what nobody told', async () => {
    assert.equal(await value(store.get('nothing')), undefined);
  });
  await t.test('the first claim stands', async () => {
    assert.equal(await value(store.claim('claim', 'first', long)), 'first');
    assert.equal(await value(store.claim('claim', 'second', long)), 'first');
    assert.equal(await value(store.get('claim')), 'first');
  });
  await t.test('of many claims at once one stands', async () => {
    const claims = Array.from({ length: 50 }, (_, i) => value(store.claim('race', String(i), long)));
    assert.equal(new Set(await Promise.all(claims)).size, 1);
  });
  await t.test('what is put stands in place of what was', async () => {
    await value(store.claim('put', 'first', long));
    await value(store.put('put', 'second', long));
    assert.equal(await value(store.get('put')), 'second');
    assert.equal(await value(store.claim('put', 'third', long)), 'second');
  });
  await t.test('counts add up, also many at once', async () => {
    assert.equal(await value(store.add('count', 1, long)), 1);
    assert.equal(await value(store.add('count', 2, long)), 3);
    const sums = await Promise.all(Array.from({ length: 50 }, () => value(store.add('count', 1, long))));
    assert.equal(Math.max(...sums), 53);
    assert.equal(new Set(sums).size, 50);
  });
  await t.test('everything ends, a count with the life that its first gave it', async () => {
    await Promise.all([store.claim('end 1', 'x', short), store.put('end 2', 'x', short), store.add('end 3', 1, short)]);
    await value(store.add('end 3', 1, long));
    assert.deepEqual(await Promise.all([1, 2].map((i) => value(store.get(`end ${i}`)))), ['x', 'x']);
    await sleep(short + 200);
    assert.deepEqual(await Promise.all([1, 2].map((i) => value(store.get(`end ${i}`)))), [undefined, undefined]);
    assert.equal(await value(store.add('end 3', 1, long)), 1);
  });
  await t.test('what is put again lives anew', async () => {
    await value(store.claim('anew', 'x', short));
    await value(store.put('anew', 'x', long));
    await sleep(short + 200);
    assert.equal(await value(store.get('anew')), 'x');
  });
  await t.test('any text is a key, and no other’s', async () => {
    for (const [, text] of nasty)
      assert.equal(await value(store.claim(text, String(text.length), long)), String(text.length));
    assert.equal(await value(store.get(`${'x'.repeat(100_000)}y`)), undefined);
  });
}
