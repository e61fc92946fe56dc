/** What expires on a host while the catalog is away is told beforehand, and counted as lost to the other hosts. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { expire } from '../../../src/quarantine/care/expire.js';
import { filesBelow } from '../../support/files-below.js';
import { until } from '../../support/until.js';
import { openHost } from '../support.js';

const octetsIn = (root: string): number => filesBelow(root).reduce((sum, file) => sum + fs.statSync(file).size, 0);

test('mails that go because of expire_size while the catalog is away are told before and after, and counted', async (t) => {
  const host = openHost(t, 'postgresql://postern@127.0.0.1:1/postern', 'mx1');
  const time = new Date(Date.now() - 5 * 86_400_000);
  for (let i = 0; i < 3; i++) await host.refuse({ time });
  await host.refuse();
  const expireOctets = Math.ceil(octetsIn(host.root) / 0.95);
  const told: string[] = [];
  const shipper = host.ship({
    expireOctets,
    onNear: (share, isNear) => told.push(isNear ? `${Math.floor(share * 100)} %` : 'over'),
    onLost: (index, mails) => told.push(`${path.relative(host.root, index)} ${mails}`),
  });
  await until(() => told.length > 0);
  assert.deepEqual(told, ['94 %']);
  assert.equal(shipper.numbers.behind.mails, 4);
  const { removed, problems } = await expire({ root: host.root, expireDays: 0, expireOctets: 1, now: new Date() });
  assert.deepEqual([removed.length, problems], [1, []]);
  await until(() => told.length > 2);
  assert.equal(shipper.numbers.lost, 3);
  assert.equal(shipper.numbers.behind.mails, 1);
  assert.deepEqual(told, ['94 %', `${removed[0]}/index 3`, 'over']);
  assert.ok(shipper.numbers.expiryShare < 0.9);
  await shipper.stop();
});
