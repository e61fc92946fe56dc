import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { groupSync } from '../../../src/quarantine/disk/group-sync.js';

test('nobody is satisfied by a sync that began before his write', async () => {
  let written = 0;
  let synced = 0;
  let runs = 0;
  const sync = groupSync(async () => {
    runs++;
    const covered = written;
    await delay(Math.random() * 3);
    synced = covered;
  });
  const write = async (): Promise<void> => {
    await delay(Math.random() * 50);
    const mine = ++written;
    await sync();
    assert.ok(synced >= mine);
  };
  await Promise.all(Array.from({ length: 200 }, write));
  assert.ok(runs < 100, `${runs} syncs for 200 writes`);
});

test('a sync that fails fails those who waited for it, and only those', async () => {
  let broken = true;
  const sync = groupSync(async () => {
    const fails = broken;
    await delay(5);
    if (fails) throw new Error('EIO');
  });
  const first = sync();
  broken = false;
  const second = sync();
  await assert.rejects(first, /EIO/);
  await second;
  await sync();
});
