/** However many ask at once, the work is done once; nobody gets what was made before he asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Paced } from '../../src/cli/metrics/paced.js';

test('those who ask at once share an answer, and whoever asks while it is made gets a newer one', async () => {
  let count = 0;
  let newer: Promise<number> | undefined;
  const paced = new Paced(async () => {
    const own = ++count;
    if (own === 1) newer = paced.get();
    return Promise.resolve(own);
  });
  const crowd = await Promise.all(Array.from({ length: 100 }, () => paced.get()));
  assert.deepEqual(new Set(crowd), new Set([1]));
  assert.equal(await newer, 2);
  assert.equal(await paced.get(), 3);
  assert.equal(count, 3);
});

test('work that fails fails for those who asked, and is done again for the next', async () => {
  let count = 0;
  const paced = new Paced(() => (++count === 1 ? Promise.reject(new Error('broken')) : Promise.resolve('well')));
  const both = await Promise.allSettled([paced.get(), paced.get()]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.equal(await paced.get(), 'well');
});
