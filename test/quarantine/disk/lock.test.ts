import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { takeLock } from '../../../src/quarantine/disk/lock.js';
import { spamFolder } from '../support.js';

test('one at a time holds a lock, the others wait', async (t) => {
  const file = path.join(spamFolder(t), '.lock');
  let inside = 0;
  const work = async (): Promise<void> => {
    const lock = await takeLock(file, 5_000);
    assert.ok(lock);
    assert.equal(++inside, 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(lock.touch(), true);
    inside--;
    lock.release();
  };
  await Promise.all(Array.from({ length: 10 }, work));
  assert.deepEqual(fs.readdirSync(path.dirname(file)), []);
});

test('who has waited long enough goes away without it', async (t) => {
  const file = path.join(spamFolder(t), '.lock');
  assert.ok(await takeLock(file, 0));
  assert.equal(await takeLock(file, 50), undefined);
});

test('an abandoned lock is taken over by exactly one', async (t) => {
  const file = path.join(spamFolder(t), '.lock');
  const dead = await takeLock(file, 0);
  fs.lutimesSync(file, Date.now() / 1000 - 61, Date.now() / 1000 - 61);
  const takers = await Promise.all(Array.from({ length: 5 }, () => takeLock(file, 300)));
  assert.equal(takers.filter((lock) => lock).length, 1);
  assert.equal(dead?.touch(), false);
  dead?.release();
  assert.equal(takers.find((lock) => lock)?.touch(), true);
});
