/** What can go wrong between a host and the catalog: mail is refused as ever, and everything comes in the end, once. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Catalog } from '../../src/catalog/catalog.js';
import { databaseAt } from '../../src/catalog/open.js';
import { insertRows, readyRows } from '../../src/catalog/insert.js';
import { rowOf } from '../../src/catalog/mail-row.js';
import { Parts } from '../../src/catalog/parts.js';
import { migrate, newestVersion, schemaState } from '../../src/catalog/schema.js';
import { SourceDown } from '../../src/quarantine/kept-mails.js';
import { everything } from '../../src/quarantine/look/query.js';
import { indexLine } from '../../src/quarantine/disk/index-entry.js';
import { newId } from '../../src/smtp/transaction-id.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { password, Postgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { wayTo } from '../support/way-to.js';
import { entryFor, folderOf } from '../quarantine/support.js';
import { countOf, emptyCatalog, openHost, waitFor } from './support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

const nameAt = (time: number, host = 'mx.example'): string => `${Math.floor(time / 1000)}.${newId(time)}_1.${host}`;

test('a database without tables, or with those of another postern, is refused with what to do', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = databaseAt(server.url);
  t.after(() => database.close());
  await database.query('drop schema public cascade');
  await database.query('create schema public');
  const host = openHost(t, server.url, 'mx1');
  await assert.rejects(host.mails.page({ query: everything, limit: 1 }), (error: unknown) => {
    assert.ok(error instanceof SourceDown);
    assert.match(error.message, /^the catalog has no tables yet: run "postern catalog migrate" once$/);
    return true;
  });
  await host.refuse();
  host.ship();
  await until(() => host.states.some((problem) => problem?.includes('postern catalog migrate') === true));
  const twice = await Promise.all([migrate(database), migrate(databaseAt(server.url))]);
  const versions = Array.from({ length: newestVersion }, (_, i) => i + 1);
  assert.deepEqual(
    twice.flat().toSorted((a, b) => a - b),
    versions,
    'of two who migrate at once one does',
  );
  await waitFor(database, 'body', 1);
  assert.equal((await host.mails.page({ query: everything, limit: 1 })).items.length, 1);
  await database.query('insert into schema_version values (99, now())');
  assert.deepEqual(await schemaState(database), { kind: 'newer', version: 99 });
  assert.equal((await new Catalog(database).use()) === database, true, 'a newer one is used as far as it is known');
});

test('a wrong password is told without it, and nothing else happens', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openHost(t, server.urlAt(server.port, 'wrong: s3cret'), 'mx1');
  await host.refuse();
  host.ship();
  await until(() => host.states.length > 0);
  assert.match(host.states[0] ?? '', /127\.0\.0\.1:\d+: password authentication failed for user "postern"/);
  assert.doesNotMatch(JSON.stringify(host), /s3cret/);
  await assert.rejects(host.mails.page({ query: everything, limit: 1 }), SourceDown);
});

test('the password of a file is read at each connection, so that it can be changed', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  await (await emptyCatalog(server)).close();
  const host = openHost(t, server.url, 'mx1');
  const file = path.join(host.state, 'password');
  fs.writeFileSync(file, 'an old one\n');
  const database = databaseAt(`postgresql://postern@127.0.0.1:${server.port}/postgres?password_file=${file}`);
  t.after(() => database.close());
  await assert.rejects(database.query('select 1'), SourceDown);
  fs.writeFileSync(file, `${password}\n`);
  assert.equal((await database.query('select 1')).length, 1);
});

test('while packets to the server are dropped mail is refused as ever; then everything comes', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const way = await wayTo(server.port, t);
  const host = openHost(t, server.urlAt(way.port), 'mx1');
  host.ship();
  await host.refuse();
  await waitFor(database, 'body', 1);
  way.state = 'silent';
  for (let i = 0; i < 20; i++) await host.refuse();
  await assert.rejects(host.mails.page({ query: everything, limit: 1 }), SourceDown);
  await until(() => host.states.some((problem) => problem !== undefined));
  way.state = 'cut';
  for (let i = 0; i < 20; i++) await host.refuse();
  way.state = 'open';
  await waitFor(database, 'body', 41);
  assert.equal(await countOf(database, 'mail'), 41);
  assert.deepEqual(host.problems, []);
  assert.equal((await host.mails.page({ query: everything, limit: 50 })).items.length, 41);
});

test('a server that is killed in the midst of it costs nothing; a shipper that is started anew does nothing twice', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openHost(t, server.url, 'mx1');
  let shipper = host.ship();
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 50; i++) await host.refuse({ about: { plugin: `p${i % 3}` } });
    if (round === 1) {
      await server.kill();
      for (let i = 0; i < 50; i++) await host.refuse();
      await server.restart();
    }
    if (round === 2) {
      await shipper.stop();
      shipper = host.ship();
    }
  }
  await waitFor(database, 'body', 250);
  assert.equal(await countOf(database, 'mail'), 250);
  const [sum] = await database.query<{ mails: number }>('select sum(mails)::integer as mails from tally');
  assert.equal(sum?.mails, 250, 'each is counted once');
  assert.deepEqual([...host.problems, ...host.strange], []);
});

test('what the server had acknowledged and lost is shipped again', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openHost(t, server.url, 'mx1');
  const first = host.ship();
  for (let i = 0; i < 30; i++) await host.refuse();
  await waitFor(database, 'body', 30);
  await first.stop();
  // As a standby has it that was behind when it became the primary.
  await database.query('delete from mail where id in (select id from mail order by id desc limit 12)');
  await database.query('delete from body where id in (select id from body order by id limit 7)');
  await database.query('delete from tally');
  host.ship();
  await waitFor(database, 'body', 30);
  await waitFor(database, 'mail', 30);
});

test('what a back-up does not have that was restored meanwhile is shipped again', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const admin = databaseAt(server.url);
  t.after(() => admin.close());
  const url = server.urlOf('postern', 'restored');
  /** As it was before any mail had come. */
  const restore = async (): Promise<void> => {
    await admin.query('drop database if exists restored with (force)');
    await admin.query('create database restored');
    const database = databaseAt(url);
    await migrate(database);
    await database.close();
  };
  await restore();
  const host = openHost(t, url, 'mx1');
  await host.refuse({ time: new Date(Date.now() - 5 * 86_400_000) });
  const shipper = host.ship();
  for (const round of ['first', 'restored']) {
    if (round === 'restored') await restore();
    const database = databaseAt(url);
    await waitFor(database, 'body', 1);
    await database.close();
  }
  await shipper.stop();
  await admin.query('drop database restored with (force)');
  assert.deepEqual([...host.problems, ...host.strange], []);
});

test('lines that no table takes are put aside, once, and hold up no other', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openHost(t, server.url, 'mx1');
  const now = Date.now();
  const [good, far, old] = [nameAt(now), nameAt(now), nameAt(now)];
  const lines = [
    {
      ...entryFor(good, new Date(now)),
      subject: 'a NUL \0, half a pair \ud83d, ip unknown',
      ip: 'unknown',
      size: 5_000_000_000,
    },
    { ...entryFor(far, new Date(now)), time: '+123456-01-01T00:00:00.000Z' },
    { ...entryFor('99999999999.X_1.mx', new Date(now)) },
    { ...entryFor('no-name-of-ours', new Date(now)) },
    { ...entryFor(old, new Date(now)), plugin: 'p'.repeat(9_000), reason: 'x'.repeat(5_000) },
  ];
  const folder = folderOf(host.root);
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'index'), Buffer.concat(lines.map(indexLine)));
  let shipper = host.ship();
  await waitFor(database, 'mail', 2);
  await until(() => host.strange.length >= 3);
  await shipper.stop();
  shipper = host.ship();
  await until(() => host.strange.length >= 6);
  await shipper.stop();
  assert.equal(await countOf(database, 'strange'), 1);
  assert.match(host.strange.join('\n'), /its name tells no day that can be/);
  const [item] = (await host.mails.page({ query: everything, limit: 50 })).items.filter(
    ({ ref }) => ref.filename === good,
  );
  assert.equal(item?.entry.subject, 'a NUL \ufffd, half a pair \ufffd, ip unknown');
  assert.equal(item?.entry.size, 5_000_000_000);
});

test('an ID that another host has is put aside, never dropped in silence', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const time = new Date();
  const row = rowOf(entryFor(nameAt(time.getTime()), time), 'example.com') ?? assert.fail();
  const to = { database, parts: new Parts(database), node: 'a'.repeat(16) };
  assert.deepEqual(await insertRows(to, readyRows([row, row])), { fresh: 1, strange: [] });
  assert.deepEqual(await insertRows(to, readyRows([row])), { fresh: 0, strange: [] });
  await database.query(`select drop_parts('2999-01-01')`);
  assert.deepEqual(
    await insertRows(to, readyRows([row])),
    { fresh: 1, strange: [] },
    'a part that is gone is made anew',
  );
  const other = { ...to, node: 'b'.repeat(16) };
  assert.deepEqual(await insertRows(other, readyRows([row])), { fresh: 0, strange: [] }, 'the same file is one mail');
  const taken = { ...row, filename: `${row.filename}.other` };
  const { strange, fresh } = await insertRows(other, readyRows([taken]));
  assert.deepEqual([fresh, strange[0]?.problem], [0, 'another host has this ID']);
  assert.equal(await countOf(database, 'strange'), 1);
});

test('of two processes with one state folder one ships', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openHost(t, server.url, 'mx1');
  await host.refuse();
  host.ship();
  await waitFor(database, 'body', 1);
  const states: (string | undefined)[] = [];
  const second = host.ship({ onState: (problem) => states.push(problem) });
  await until(() => states.length > 0);
  assert.match(states[0] ?? '', /another process ships as node [0-9a-f]{16}/);
  await second.stop();
});
