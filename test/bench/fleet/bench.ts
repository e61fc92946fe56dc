/**
 * `npm run bench:fleet -- [ROWS]`: what a catalog costs. Lines and mails shipped a second, with the CPU of the process
 * that ships; pages and searches over ROWS mails (1,000,000) of 30 days and 1,000 domains. PostgreSQL runs as it is
 * installed but for fsync, which is off: where it is on, the disk decides.
 */
import { cpus } from 'node:os';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Bodies } from '../../../src/catalog/bodies/bodies.js';
import { Catalog } from '../../../src/catalog/catalog.js';
import type { Database } from '../../../src/catalog/database.js';
import { KeptInCatalog } from '../../../src/catalog/kept-in-catalog.js';
import { bodiesAt, databaseAt } from '../../../src/catalog/open.js';
import { sealParts } from '../../../src/catalog/parts.js';
import { Shipper } from '../../../src/catalog/ship/shipper.js';
import { everything, parseQuery } from '../../../src/quarantine/look/query.js';
import { indexLine } from '../../../src/quarantine/disk/index-entry.js';
import { newId } from '../../../src/smtp/transaction-id.js';
import { emptyCatalog } from '../../catalog/support.js';
import { entryFor, folderOf, quarantineIn, request } from '../../quarantine/support.js';
import { postgresBin, Postgres } from '../../support/postgres.js';
import { hasStore, Versitygw } from '../../support/versitygw.js';

const rows = Number(process.argv[2] ?? 1_000_000);
const days = 30;
const dayMs = 86_400_000;
const lines = 20_000;
const mails = 2_000;

const say = (text: string): boolean => process.stdout.write(`${text}\n`);

/** A /spam of its own, filled. */
async function spam(fill: (root: string) => Promise<void>): Promise<string> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-bench-'));
  await fill(root);
  return root;
}

async function ship(what: string, count: number, given: { root: string; url: string; bodies: Bodies }): Promise<void> {
  const { root, url, bodies } = given;
  const shipper = new Shipper({
    catalog: new Catalog(databaseAt(url)),
    patient: new Catalog(databaseAt(url)),
    bodies,
    root,
    node: 'a'.repeat(16),
    host: 'mx.example',
    keepMs: 0,
    onState: () => undefined,
    onStrange: ({ problem }) => say(`strange: ${problem}`),
    onProblem: (problem) => say(problem),
  });
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  await shipper.shipAll();
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - began) / 1000;
  const each = ((user + system) / 1000 / count).toFixed(3);
  say(
    `${what.padEnd(34)} ${Math.round(count / seconds)
      .toLocaleString('en')
      .padStart(8)} a second, ${each} ms of CPU each`,
  );
  await shipper.stop();
  fs.rmSync(root, { recursive: true, force: true });
}

const onlyLines = async (root: string): Promise<void> => {
  const folder = folderOf(root);
  fs.mkdirSync(folder, { recursive: true });
  const octets = Array.from({ length: lines }, (_, i) => {
    const time = new Date(Date.now() - i);
    const filename = `${Math.floor(time.getTime() / 1000)}.${newId(time.getTime())}_1.mx.example`;
    return indexLine({ ...entryFor(filename, time), subject: `a mail of a benchmark, number ${i}` });
  });
  fs.writeFileSync(path.join(folder, 'index'), Buffer.concat(octets));
};

const wholeMails = async (root: string): Promise<void> => {
  const quarantine = quarantineIn(root);
  for (let i = 0; i < mails; i++) {
    const text = `Subject: ${i}\r\n\r\n${Array.from({ length: 160 }, (_, j) => `Line ${j} of ${i * j}: ${Math.random()}, and some words more.\r\n`).join('')}`;
    await quarantine.archive(request({ id: newId(), text: text.slice(0, 10_240) }));
  }
};

/** As the shipper would have made them; a tenth of all are of one domain, and one word is rare. */
async function fillCatalog(database: Database): Promise<void> {
  const each = Math.ceil(rows / days);
  for (let i = 0; i < days; i++) {
    const start = Date.now() - i * dayMs - 43_200_000;
    const day = new Date(start).toISOString().slice(0, 10);
    await database.query('select make_parts($1)', [day]);
    await database.query(
      `insert into mail select $1::date, lpad(to_hex(n), 14, '0'), 1, '${'a'.repeat(16)}', 'd' || d || '.example', $2::timestamptz,
         $2, 'user' || n % 9973 || '@sender' || n % 499 || '.example', 'nobody' || n % 71 || '@d' || d || '.example',
         'Your invoice number ' || n, '1.' || lpad(to_hex(n), 14, '0') || '_1.mx.example', '192.0.2.' || n % 250,
         'client.example', 'helo.example', 'SPF fail', 'spf', '<' || n || '@sender.example>', 4000, 'fail',
         '550 5.7.1 SPF fail', null,
         'user' || n % 9973 || '@sender' || n % 499 || e'.example\\nnobody' || n % 71 || '@d' || d || e'.example\\nyour invoice number '
           || n || e'\\n192.0.2.' || n % 250 || e'\\nspf fail <' || n || '@sender.example>'
       from (select n, case when n % 10 = 0 then 0 else n % 1000 end as d from generate_series(1, $3::integer) n) given`,
      [day, new Date(start).toISOString(), each],
    );
    await database.query(
      `insert into tally select day, domain, plugin, 'spf: SPF fail', count(*), sum(size) from mail where day = $1 group by 1, 2, 3`,
      [day],
    );
  }
}

async function times(url: string): Promise<void> {
  const catalog = new Catalog(databaseAt(url));
  const kept = new KeptInCatalog(catalog, 'a'.repeat(16), new Bodies());
  const searches = [
    '',
    'domain:d0.example',
    'domain:d7.example',
    'invoice',
    `"number ${Math.ceil(rows / days) - 7}"`,
    'nothing-has-this',
  ];
  for (const text of searches) {
    const query = parseQuery(text);
    if (!query.ok) throw new Error(query.problem);
    const found: number[] = [];
    let count = 0;
    for (let i = 0; i < 5; i++) {
      const began = performance.now();
      count = (await kept.page({ query: query.value, limit: 50 })).items.length;
      found.push(performance.now() - began);
    }
    const [first = 0, ...more] = found;
    say(
      `${(text === '' ? 'newest' : text).padEnd(34)} ${Math.min(...more)
        .toFixed(0)
        .padStart(8)} ms, at first ${first.toFixed(0)}; ${count} mails`,
    );
  }
  const began = performance.now();
  const { total } = await kept.count({ query: everything });
  say(`${'charts'.padEnd(34)} ${(performance.now() - began).toFixed(0).padStart(8)} ms; ${total} mails`);
  await catalog.close();
}

if (postgresBin() === undefined) {
  say('PostgreSQL is not installed');
} else {
  const server = await Postgres.start();
  const store = hasStore() ? await Versitygw.start() : undefined;
  try {
    say(`${cpus().length} cores of ${cpus()[0]?.model ?? '?'}, load ${os.loadavg()[0]?.toFixed(1)}`);
    let database = await emptyCatalog(server);
    await ship('lines', lines, { root: await spam(onlyLines), url: server.url, bodies: new Bodies() });
    await ship('mails of 10 KB into the database', mails, {
      root: await spam(wholeMails),
      url: server.url,
      bodies: new Bodies(),
    });
    if (store)
      await ship('mails of 10 KB into a store', mails, {
        root: await spam(wholeMails),
        url: server.url,
        bodies: await bodiesAt(store.url),
      });
    await database.close();
    database = await emptyCatalog(server);
    const began = performance.now();
    const patient = databaseAt(server.url, { statementMs: 3_600_000 });
    await fillCatalog(patient);
    await sealParts(patient);
    await patient.query('analyze');
    const [size] = await patient.query<{ octets: string }>(
      'select pg_database_size(current_database())::text as octets',
    );
    say(
      `${rows.toLocaleString('en')} mails made and indexed in ${Math.round((performance.now() - began) / 1000)} s, ${Math.round(Number(size?.octets) / rows)} octets each`,
    );
    await patient.close();
    await times(server.url);
    await database.close();
  } finally {
    await server.end();
    await store?.end();
  }
}
