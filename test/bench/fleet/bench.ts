/**
 * `npm run bench:fleet -- [ROWS]`: what a catalog costs. Lines and mails shipped a second by one host and by three at
 * once, with the CPU of hosts, PostgreSQL and store; pages and searches over ROWS mails (1,000,000) of 30 days and
 * 1,000 domains. PostgreSQL runs as it is installed but for fsync, which is off: where it is on, the disk decides.
 * Where others use the machine, compare CPU and not rates.
 */
import { cpus } from 'node:os';
import { databaseAt } from '../../../src/catalog/open.js';
import { sealParts } from '../../../src/catalog/parts.js';
import { emptyCatalog } from '../../catalog/support.js';
import { postgresBin, Postgres } from '../../support/postgres.js';
import { hasStore, Versitygw } from '../../support/versitygw.js';
import { fillCatalog } from './fill.js';
import { count, loadNow, row, say } from './say.js';
import { measureSearches } from './searching.js';
import { measureShipment } from './shipping.js';

const rows = Number(process.argv[2] ?? 1_000_000);

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

async function searches(postgres: Postgres): Promise<void> {
  await (await emptyCatalog(postgres)).close();
  const began = performance.now();
  const patient = databaseAt(postgres.url, { statementMs: 3_600_000 });
  await fillCatalog(patient, rows);
  await sealParts(patient);
  await patient.query('analyze');
  const [size] = await patient.query<{ octets: string }>('select pg_database_size(current_database())::text as octets');
  await patient.close();
  const seconds = Math.round((performance.now() - began) / 1000);
  row(
    `${count(rows)} mails`,
    `made and indexed in ${seconds} s, ${Math.round(Number(size?.octets) / rows)} octets each`,
  );
  await measureSearches(postgres.url, rows);
}

if (postgresBin() === undefined) {
  say('PostgreSQL is not installed');
} else {
  const postgres = await Postgres.start();
  const store = hasStore() ? await Versitygw.start() : undefined;
  try {
    say(`${cpus().length} cores of ${cpus()[0]?.model ?? '?'}, load ${loadNow()}`);
    await shipments(postgres, store);
    await searches(postgres);
  } finally {
    await postgres.end();
    await store?.end();
  }
}
