/**
 * `npm run kill-loop:fleet -- [ROUNDS] [SEED]`: three hosts, a PostgreSQL and, where there is one, an S3 server. They
 * die at random.
 */
import { bodiesAt } from '../../src/catalog/open.js';
import { Postgres } from '../support/postgres.js';
import { hasStore, Versitygw } from '../support/versitygw.js';
import { Fleet } from './fleet.js';
import { killRounds } from './kill-rounds.js';
import { emptyCatalog } from './support.js';

const [rounds = 200, seed = 1] = process.argv.slice(2).map(Number);
const ends: (() => unknown)[] = [];
const server = await Postgres.start();
const store = hasStore() ? await Versitygw.start() : undefined;
try {
  await (await emptyCatalog(server)).close();
  const after = (end: () => unknown): void => void ends.push(end);
  const fleet = await Fleet.start(
    { after },
    { hosts: 3, settings: [`catalog=${server.url}`, `bodies=${store?.url ?? ''}`] },
  );
  const bodies = await bodiesAt(store?.url ?? '');
  const say = (text: string): boolean => process.stdout.write(`${text}\n`);
  const result = await killRounds(fleet, { server, bodies, store }, { rounds, releases: 40, seed, say });
  say(JSON.stringify({ rounds, seed, ...result }));
} finally {
  for (const end of ends.toReversed()) await end();
  await server.end();
  await store?.end();
}
