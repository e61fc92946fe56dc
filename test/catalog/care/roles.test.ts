/** Hosts whose role owns no table: they do what hosts do, and can neither remove, change nor empty anything else. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hostRights } from '../../../src/catalog/care/roles.js';
import { StatementRefused } from '../../../src/catalog/database.js';
import { dayText } from '../../../src/catalog/mail-row.js';
import { databaseAt } from '../../../src/catalog/open.js';
import { dropOldParts, Parts, sealParts } from '../../../src/catalog/parts.js';
import { everything } from '../../../src/quarantine/look/query.js';
import { hasPeer, needPeer } from '../../support/peers.js';
import { Postgres } from '../../support/postgres.js';
import { postern } from '../../cli/support/postern-command.js';
import { restrictedCatalog } from './restricted.js';
import { countOf, openHost, waitFor } from '../support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

const dayMs = 86_400_000;
const ago = (days: number): Date => new Date(Date.now() - days * dayMs);

test('a host role ships, reads, deletes, seals and expires, and no more', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const urls = await restrictedCatalog(server, ['--expire=30d']);
  const byHost = await postern(['catalog', 'migrate', `--catalog=${urls.host}`]);
  assert.equal(byHost.code, 69);
  assert.match(byHost.stderr, /permission denied .*; run "postern catalog migrate" as the role that owns its tables: /);
  const [database, admin] = [databaseAt(urls.host), databaseAt(urls.admin)];
  t.after(() => Promise.all([database.close(), admin.close()]));
  const host = openHost(t, urls.host, 'mx1');
  for (const days of [40, 10, 0]) await host.refuse({ time: ago(days), about: { subject: `${days} days old` } });
  const shipper = host.ship({ keepMs: 0 });
  await waitFor(admin, 'body', 3);
  await shipper.stop();

  // A mail is deleted, and its octets go.
  const { items } = await host.mails.page({ query: everything, limit: 10 });
  assert.equal(items.length, 3);
  assert.equal(await host.mails.discard(items[0]?.ref ?? assert.fail(), 'anna'), 'deleted');
  assert.equal(await countOf(admin, 'octets'), 2);

  // Days are sealed and expired as the owner has said: not before.
  await sealParts(database);
  assert.equal(await countOf(admin, `pg_indexes where indexname like 'mail\\_%\\_words'`), 2);
  assert.deepEqual(await sealParts(database), []);
  await assert.rejects(dropOldParts(database, 29 * dayMs), (error: unknown) => {
    assert.ok(error instanceof StatementRefused);
    assert.match(error.message, /^hosts may remove what is older than 30 days, as "postern catalog migrate" was told$/);
    return true;
  });
  assert.equal(await dropOldParts(database, 30 * dayMs), dayText(Date.now() - 30 * dayMs));
  assert.equal(await countOf(admin, 'mail'), 2);

  // Everything beyond that the server refuses.
  const today = `mail_${dayText(Date.now()).replaceAll('-', '')}`;
  const beyond = [
    ...Object.keys(hostRights).map((table) => `drop table ${table}`),
    ...Object.keys(hostRights).map((table) => `truncate ${table}`),
    ...Object.keys(hostRights).map((table) => `alter table ${table} add column mine text`),
    ...['mail', 'body', 'octets', 'fate', 'tally', 'strange', 'node', 'keeping'].map((table) => `delete from ${table}`),
    `drop table ${today}`,
    `alter table mail detach partition ${today}`,
    `select * from ${today}`,
    `update mail set subject = ''`,
    `update body set size = 0`,
    `update octets set deflated = null`,
    `update fate set kind = 'deleted'`,
    `update node set node = 'x'`,
    `update keeping set days = 0`,
    `insert into keeping values ('x', 0)`,
    `insert into schema_version values (99, now())`,
    'create table mine (a integer)',
    'create or replace function make_parts(wanted date) returns void language sql as $$ $$',
    `drop function drop_parts(date)`,
    `select seal_part('${today}')`,
    `select seal_part('token')`,
    `select drop_parts('2999-01-01')`,
    `select drop_journal_parts('2999-01-01')`,
    'delete from journal',
    `update journal set host = ''`,
    'create role other',
    'set role postern_owner',
  ];
  for (const statement of beyond)
    await assert.rejects(database.query(statement), (error: unknown) => {
      assert.ok(error instanceof StatementRefused, statement);
      assert.match(error.sqlState, /^(?:42501|P0001)$/, statement);
      return true;
    });

  // No table of its own stands in front of ours where a function runs as the owner.
  await database.transaction(async (sql) => {
    await sql.query('create temporary table keeping (what text, days integer) on commit drop');
    await sql.query(`insert into keeping values ('mail', 0)`);
    await assert.rejects(sql.query(`select drop_parts('2999-01-01')`), /older than 30 days/);
  });
  assert.equal(await countOf(admin, 'mail'), 2);

  // Parts of days that no mail has are not made.
  await new Parts(database).make(['2001-02-03', dayText(Date.now() + 10 * dayMs)]);
  assert.equal(await countOf(admin, `pg_class where relname in ('mail_20010203')`), 1);
  assert.equal(
    await countOf(admin, `pg_class where relname = 'mail_${dayText(Date.now() + 10 * dayMs).replaceAll('-', '')}'`),
    0,
  );

  // Each table has its rights.
  const tables = await admin.query<{ name: string }>(
    `select relname as name from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace
       and not relispartition order by relname`,
  );
  assert.deepEqual(
    tables.map(({ name }) => name),
    Object.keys(hostRights).toSorted(),
    'src/catalog/care/roles.ts says of each table what hosts may do',
  );
});

test('a host role makes no function that ours would call as the owner', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const urls = await restrictedCatalog(server);
  const [database, admin] = [databaseAt(urls.host), databaseAt(urls.admin)];
  t.after(() => Promise.all([database.close(), admin.close()]));
  const migrate = () => postern(['catalog', 'migrate', `--catalog=${urls.owner}`]);
  // It fits better than the server's own, for that takes no date.
  const own = `create function to_char(date, text) returns text language plpgsql as $$ begin
    update keeping set days = 0; return 'never'; end $$`;

  // As older servers have it.
  await admin.query('grant create on schema public to public');
  const checked = await postern(['catalog', 'check', `--catalog=${urls.owner}`]);
  assert.equal(checked.code, 1);
  assert.match(checked.stdout, /^catalog: the role postern_host may make functions in the schema public$/m);
  await database.query(own);
  await admin.query(`update keeping set days = 30`);
  await database.query(`select make_parts('2020-01-01')`);
  assert.equal(await countOf(admin, 'keeping where days = 0'), 2, 'so it would be');
  await database.query('drop function to_char(date, text)');
  assert.equal((await migrate()).code, 0);
  await assert.rejects(database.query(own), /permission denied for schema public/);

  // There the schema is not the owner's to close either.
  await admin.query('alter schema public owner to postern');
  await admin.query('grant create on schema public to public');
  const { code, stderr } = await migrate();
  assert.equal(code, 69);
  assert.match(stderr, /hosts may make functions in the schema public: as its owner, revoke create on it from public/);
  await admin.query('revoke create on schema public from public');
  assert.equal((await migrate()).code, 0);
});
