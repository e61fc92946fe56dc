/**
 * `npm run bench:fleet -- [ROWS [DAYS]]`: what a catalog costs. Lines and mails shipped a second by one host and by
 * three at once, with the CPU of hosts, PostgreSQL and store; what a refused mail costs the mail server with and
 * without it; pages and searches over ROWS mails (1,000,000) of DAYS days (30) and 1,000 domains. PostgreSQL runs as it
 * is installed but for fsync, which is off: where it is on, the disk decides. Where others use the machine, compare CPU
 * and not rates. With ROWS 0 nothing is searched.
 */
import { cpus } from 'node:os';
import { databaseAt } from '../../../src/catalog/open.js';
import { sealParts } from '../../../src/catalog/parts.js';
import { emptyCatalog } from '../../catalog/support.js';
import { postgresBin, Postgres } from '../../support/postgres.js';
import { hasStore, Versitygw } from '../../support/versitygw.js';
import { type CatalogSize, fillCatalog } from './fill.js';
import { measureGate } from './gate.js';
import { count, loadNow, row, say } from './say.js';
import { measureSearches } from './searching.js';
import { measureShipment } from './shipping.js';

const [rows = 1_000_000, days = 30] = process.argv.slice(2).map(Number);

async function shipments(postgres: Postgres, store: Versitygw | undefined): Promise<void> {
  for (const hosts of [1, 3]) {
    const by = hosts === 1 ? 'one host' : `${hosts} hosts at once`;
    await measureShipment({ what: `lines, ${by}`, hosts, mails: 50_000, octets: 0, postgres, store: undefined });
    for (const to of store ? [undefined, store] : [undefined]) {
      const what = `mails of 10 KB into the ${to ? 'store' : 'database'}, ${by}`;
      await measureShipment({ what, hosts, mails: 4_000, octets: 10_240, postgres, store: to });
    }
  }
}

async function searches(postgres: Postgres, size: CatalogSize): Promise<void> {
  await (await emptyCatalog(postgres)).close();
  const patient = databaseAt(postgres.url, { statementMs: 3_600_000 });
  const began = performance.now();
  await fillCatalog(patient, size);
  const filled = performance.now();
  await sealParts(patient);
  const sealed = performance.now();
  await patient.query('analyze');
  const [octets] = await patient.query<{ all: number }>('select pg_database_size(current_database())::float8 as all');
  const [made] = await patient.query<{ mails: number }>('select sum(mails)::float8 as mails from tally');
  await patient.close();
  const mails = made?.mails ?? NaN;
  const each = (from: number, to: number): string => `${Math.round(((to - from) / mails) * 1000)} µs`;
  row(
    `${count(mails)} mails of ${size.days} days`,
    `${Math.round((octets?.all ?? 0) / mails)} octets each; made in ${each(began, filled)}, their words indexed in ${each(filled, sealed)}; load ${loadNow()}`,
  );
  await measureSearches(postgres);
}

if (postgresBin() === undefined) {
  say('PostgreSQL is not installed');
} else {
  const postgres = await Postgres.start();
  const store = hasStore() ? await Versitygw.start() : undefined;
  try {
    say(`${cpus().length} cores of ${cpus()[0]?.model ?? '?'}, load ${loadNow()}`);
    await shipments(postgres, store);
    await measureGate(postgres);
    if (rows > 0) await searches(postgres, { rows, days });
  } finally {
    await postgres.end();
    await store?.end();
  }
}
