/** A host that was alone comes along with all its days, once; an older postern does what it knows with newer tables. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Database } from '../../../src/catalog/database.js';
import { checkCatalog } from '../../../src/catalog/care/check.js';
import { Bodies } from '../../../src/catalog/bodies/bodies.js';
import { newestVersion } from '../../../src/catalog/schema.js';
import { keptOnDisk } from '../../../src/quarantine/kept-on-disk.js';
import { addMark } from '../../../src/quarantine/look/disposition.js';
import { everything } from '../../../src/quarantine/look/query.js';
import { postern } from '../../cli/support/postern-command.js';
import { hasPeer, needPeer } from '../../support/peers.js';
import { Postgres } from '../../support/postgres.js';
import { emptyCatalog, openHost, waitFor } from '../support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

const ago = (days: number): Date => new Date(Date.now() - days * 86_400_000);

/** All rows with the transaction that wrote each: whatever is written again, even the same, shows. */
async function everyRow(database: Database): Promise<readonly string[]> {
  const rows: string[] = [];
  for (const table of ['mail', 'body', 'octets', 'fate', 'tally', 'strange'])
    for (const { row } of await database.query<{ row: string }>(
      `select xmin::text || ' ' || md5(t::text) as row from ${table} t order by 1`,
    ))
      rows.push(`${table} ${row}`);
  return rows;
}

test('catalog ship --once brings all days of a host that was alone, with what became of them; again changes nothing', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openHost(t, server.url, 'mx1');
  for (let days = 20; days >= 0; days--)
    for (const domain of ['example.com', 'example.net']) await host.refuse({ time: ago(days), domain });
  const files = keptOnDisk(host.root);
  const { items } = await files.page({ query: everything, limit: 200 });
  assert.equal(items.length, 42);
  const [deleted, released] = [items[10]?.ref ?? assert.fail(), items[30]?.ref ?? assert.fail()];
  await files.discard(deleted, 'anna');
  await addMark(host.root, released, { kind: 'released', by: 'berta', detail: '250 queued' });

  const settings = [`--catalog=${server.url}`, `--spam=${host.root}`, `--state=${host.state}`, '--expire=0'];
  const words = ['catalog', 'ship', '--once', ...settings, '--hostname=mx1.test.example'];
  assert.deepEqual(await postern(words), { code: 0, stdout: '', stderr: '' });
  const first = await everyRow(database);
  const there = await host.mails.page({ query: everything, limit: 200 });
  assert.deepEqual(
    there.items.map(({ ref }) => ref.filename).toSorted(),
    items
      .filter(({ ref }) => ref !== deleted)
      .map(({ ref }) => ref.filename)
      .toSorted(),
  );
  assert.equal((await host.mails.disposition(deleted)).mark?.by, 'anna');
  assert.equal((await host.mails.disposition(released)).mark?.by, 'berta');
  const checked = await checkCatalog(database, {
    bodies: new Bodies(),
    since: '2000-01-01',
    onFinding: ({ text }) => assert.fail(text),
  });
  assert.deepEqual([checked.mails, checked.waiting, checked.problems], [42, 0, 0]);

  assert.deepEqual(await postern(words), { code: 0, stdout: '', stderr: '' });
  assert.deepEqual(await everyRow(database), first);
});

test('with the tables of a newer postern a host ships, finds, shows and deletes as ever, and says that they are newer', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  // What a step may do: add tables, columns that have a default, and words that were not known.
  for (const statement of [
    `alter table mail add column novelty text not null default 'new', add column more text`,
    'alter table body add column novelty integer default 1',
    `alter table tally add column novelty bigint not null default 0`,
    'alter table fate add column novelty text, drop constraint fate_kind_check',
    'create table novelty (name text)',
    `insert into schema_version values (${newestVersion + 1}, now())`,
  ])
    await database.query(statement);
  const host = openHost(t, server.url, 'mx1');
  await host.refuse({ about: { subject: 'one' } });
  await host.refuse({ about: { subject: 'two' } });
  const newer: number[] = [];
  const shipper = host.ship({ onNewer: (version) => newer.push(version) });
  await waitFor(database, 'body', 2);
  await shipper.stop();
  assert.deepEqual([host.problems, host.strange], [[], []]);
  assert.deepEqual(newer, [newestVersion + 1]);

  // A fate that this postern has never heard of.
  await database.query(
    `insert into fate (day, id, n, kind, state, who, node) select day, id, n, 'reported', 'done', 'x', node from mail`,
  );
  const { items } = await host.mails.page({ query: everything, limit: 10 });
  assert.deepEqual(items.map(({ entry, mark }) => `${entry.subject} ${mark?.kind}`).toSorted(), [
    'one undefined',
    'two undefined',
  ]);
  const [item] = items;
  assert.ok(item && (await host.mails.open(item.ref)));
  assert.equal(await host.mails.discard(item.ref, 'anna'), 'deleted');
  assert.equal((await host.mails.disposition(item.ref)).mark?.kind, 'deleted');
  assert.equal((await host.mails.page({ query: everything, limit: 10 })).items.length, 1);

  const settings = [`--catalog=${server.url}`];
  const migrated = await postern(['catalog', 'migrate', ...settings]);
  assert.deepEqual(migrated, {
    code: 0,
    stdout: `the catalog has tables of version ${newestVersion + 1}, which a newer postern made\n`,
    stderr: '',
  });
  const status = await postern(['catalog', 'status', ...settings]);
  assert.ok(status.stdout.includes(`version ${newestVersion + 1}, ours are ${newestVersion}\n`), status.stdout);
  const check = await postern(['catalog', 'check', ...settings]);
  assert.match(check.stdout, /^catalog: \(note\) its tables are of version \d+, which a newer postern made/);
  assert.equal(check.code, 0, check.stdout);
});
