/** What expires on a host while the catalog is away is counted as lost to the other hosts. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { expire } from '../../../src/quarantine/care/expire.js';
import { until } from '../../support/until.js';
import { openHost } from '../support.js';

test('mails that go because of expire_size while the catalog is away are told and counted', async (t) => {
  const host = openHost(t, 'postgresql://postern@127.0.0.1:1/postern', 'mx1');
  const time = new Date(Date.now() - 5 * 86_400_000);
  for (let i = 0; i < 3; i++) await host.refuse({ time });
  await host.refuse();
  const told: string[] = [];
  const shipper = host.ship({ onLost: (index, mails) => told.push(`${path.relative(host.root, index)} ${mails}`) });
  await until(() => shipper.numbers.behind.mails === 4);
  const { removed, problems } = await expire({ root: host.root, expireDays: 0, expireOctets: 1, now: new Date() });
  assert.deepEqual([removed.length, problems], [1, []]);
  await until(() => shipper.numbers.lost > 0);
  assert.equal(shipper.numbers.lost, 3);
  assert.equal(shipper.numbers.behind.mails, 1);
  assert.deepEqual(told, [`${removed[0]}/index 3`]);
  await shipper.stop();
});
