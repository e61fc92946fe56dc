/** A few rounds of what `npm run kill-loop:fleet -- 200` does for long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodiesAt, databaseAt } from '../../src/catalog/open.js';
import { needPeer } from '../support/peers.js';
import { Postgres } from '../support/postgres.js';
import { hasStore, Versitygw } from '../support/versitygw.js';
import { Fleet } from './fleet.js';
import { journalSettled } from './journal/settled.js';
import { killRounds } from './kill-rounds.js';
import { emptyCatalog } from './support.js';

test('whoever dies: every ID that a 550 named is in the catalog once, and is released once', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const server = await Postgres.start();
  t.after(() => server.end());
  await (await emptyCatalog(server)).close();
  const store = hasStore() ? await Versitygw.start() : undefined;
  t.after(() => store?.end());
  const bodies = await bodiesAt(store?.url ?? '');
  const settings = [`catalog=${server.url}`, `bodies=${store?.url ?? ''}`];
  const fleet = await Fleet.start(t, { hosts: 3, settings });
  const result = await killRounds(
    fleet,
    { server, bodies, store },
    {
      rounds: 3,
      releases: 2,
      seed: 31,
      say: (text) => t.diagnostic(text),
    },
  );
  t.diagnostic(JSON.stringify(result));
  const database = databaseAt(server.url);
  t.after(() => database.close());
  const lines = await journalSettled(
    database,
    fleet.hosts.map(({ root }) => `${root}/state/journal`),
  );
  assert.ok(lines >= result.refused - result.deaths * 12, `${lines} lines of ${result.refused} mails`);
  assert.ok(result.refused > 0 && result.deaths === 3 && result.failovers === 1);
});
