/**
 * What engines, disks and mails do to hosts that share a catalog. Each time mail is refused as before, nothing is there
 * twice, and what has waited comes when that is over. Dropped packets to PostgreSQL, wrong passwords and keys, other
 * tables: shipping.test.ts and store.test.ts.
 */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Database } from '../../src/catalog/database.js';
import { bodiesAt } from '../../src/catalog/open.js';
import { migrate } from '../../src/catalog/schema.js';
import type { ReleaseOrder } from '../../src/quarantine/care/release.js';
import { statusOf } from '../../src/catalog/status.js';
import type { MailRef } from '../../src/quarantine/disk/mail-ref.js';
import { SourceDown } from '../../src/quarantine/kept-mails.js';
import { everything } from '../../src/quarantine/look/query.js';
import { newId } from '../../src/smtp/transaction-id.js';
import { type IndexEntry, indexLine } from '../../src/quarantine/disk/index-entry.js';
import { day, entryFor, folderOf, smallDisk } from '../quarantine/support.js';
import { filesBelow } from '../support/files-below.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { Postgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { needStore, Versitygw } from '../support/versitygw.js';
import { wayTo } from '../support/way-to.js';
import { countOf, emptyCatalog, type Host, openHost, waitFor } from './support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

/** Nothing is there twice, nothing was put aside, and all of these hosts' mails are there. */
async function allThere(database: Database, mails: number): Promise<void> {
  await waitFor(database, 'body', mails);
  assert.equal(await countOf(database, 'mail'), mails);
  assert.equal(await countOf(database, 'strange'), 0);
  const [sum] = await database.query<{ mails: number }>('select sum(mails)::integer as mails from tally');
  assert.equal(sum?.mails, mails, 'tallies are rows');
}

const nameAt = (time: number, copy = 1): string => `${Math.floor(time / 1000)}.${newId(time)}_${copy}.mx.example`;

/** All its texts are that. */
const texts = (text: string): Partial<IndexEntry> =>
  Object.fromEntries(
    [
      'from',
      'recipient',
      'subject',
      'ip',
      'host',
      'helo',
      'reason',
      'plugin',
      'messageId',
      'spf',
      'reply',
      'headerFrom',
    ].map((key) => [key, text]),
  );

const now = Date.now();
const poisons: readonly [what: string, line: Partial<IndexEntry>, becomes: 'row' | 'strange'][] = [
  ['NUL in all texts', texts('a\0b'), 'row'],
  ['half a surrogate pair in all texts', texts('a\ud83d'), 'row'],
  ['the other half', texts('\ude00b'), 'row'],
  ['what quotes, ends and comments in SQL and JSON', texts(`'"\\x00\\u0000$1;--/*\n\r\t`), 'row'],
  ['no address', { ip: '' }, 'row'],
  ['an address that is a word', { ip: 'unknown' }, 'row'],
  ['a size over 2^31', { size: 2 ** 31 + 1 }, 'row'],
  ['a size over 2^53', { size: 1e300 }, 'row'],
  ['a size that is none', { size: -1.5 }, 'row'],
  ['a day that has no part yet', { filename: nameAt(now - 400 * day) }, 'row'],
  ['a day that has not come', { filename: nameAt(now + 10 * day) }, 'strange'],
  ['a day after the year 9999', { filename: '999999999999.X_1.mx' }, 'strange'],
  ['a name that tells no day', { filename: 'no-name-of-ours' }, 'strange'],
  ['a copy of too high a number', { filename: nameAt(now, 99_999_999) }, 'strange'],
  ['a time that no timestamp has', { time: '+123456-01-01T00:00:00.000Z' }, 'strange'],
  ['texts that no index takes', { plugin: 'p'.repeat(9_000), reason: 'x'.repeat(5_000) }, 'row'],
];

for (const [what, line, becomes] of poisons)
  test(`poison: ${what} becomes ${becomes === 'row' ? 'a row' : 'strange'}, and holds up no other line`, async (t) => {
    if (!needPeer(t, 'postgres')) return;
    const database = await emptyCatalog(server);
    t.after(() => database.close());
    const host = openHost(t, server.url, 'mx1');
    const poisoned = { ...entryFor(nameAt(now), new Date(now)), ...line };
    const lines = [entryFor(nameAt(now), new Date(now)), poisoned, entryFor(nameAt(now), new Date(now))];
    mkdirSync(folderOf(host.root), { recursive: true });
    writeFileSync(path.join(folderOf(host.root), 'index'), Buffer.concat(lines.map(indexLine)));
    host.ship();
    await waitFor(database, 'mail', becomes === 'row' ? 3 : 2);
    if (becomes === 'strange') await until(() => host.strange.length > 0);
    assert.equal(host.strange.length, becomes === 'row' ? 0 : 1, host.strange.join('\n'));
    const [sum] = await database.query<{ mails: number }>('select sum(mails)::integer as mails from tally');
    assert.equal(sum?.mails, await countOf(database, 'mail'));
    assert.deepEqual(host.problems, []);
  });

test('what is in the way of a statement is not its own fault', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  // A deadlock, a serialization failure, a lock that is held, a full disk, too many connections, a cancelled statement.
  for (const code of ['40P01', '40001', '55P03', '53100', '53300', '57014'])
    await assert.rejects(
      database.query(`do $$ begin raise exception 'no' using errcode = '${code}'; end $$`),
      SourceDown,
      code,
    );
});

test('while the database’s disk is full mail is refused as before; then everything comes', async (t) => {
  if (!needPeer(t, 'postgres', 'tmpfs')) return;
  // It ends before its disk does.
  const full = await Postgres.start();
  t.after(() => full.end());
  const disk = smallDisk(t, 'size=24m');
  if (disk === undefined) return;
  const tables = path.join(disk, 'tables');
  mkdirSync(tables);
  chmodSync(disk, 0o755);
  const { uid, gid } = statSync(full.folder);
  chownSync(tables, uid, gid);
  const database = await emptyCatalog(full);
  t.after(() => database.close());
  await database.query(`create tablespace small location '${tables}'`);
  await database.query('alter role postern set default_tablespace = small');
  await full.kill();
  await full.restart();
  await database.query('drop schema public cascade');
  await database.query('create schema public');
  await migrate(database);
  const host = openHost(t, full.url, 'mx1');
  host.ship();
  await host.refuse();
  await waitFor(database, 'body', 1);
  const filler = path.join(disk, 'filler');
  assert.throws(() => writeFileSync(filler, Buffer.alloc(32 * 1_048_576)), /ENOSPC/);
  const text = `Subject: large\r\n\r\n${Array.from({ length: 4_000 }, () => Math.random()).join('\r\n')}\r\n`;
  for (let i = 0; i < 60; i++) await host.refuse({ text: `${i}${text}` });
  await until(() => host.states.some((problem) => problem?.includes('No space left on device') === true));
  await host.refuse();
  rmSync(filler);
  await allThere(database, 62);
  assert.deepEqual([...host.problems, ...host.strange], []);
});

test('a database that only trickles holds up no mail, and in the end has all', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const way = await wayTo(server.port, t);
  const host = openHost(t, server.urlAt(way.port), 'mx1');
  way.state = 'slow';
  for (let i = 0; i < 50; i++) await host.refuse();
  host.ship();
  for (let i = 0; i < 50; i++) await host.refuse();
  await allThere(database, 100);
  assert.deepEqual([...host.problems, ...host.strange], []);
});

for (const state of ['silent', 'slow'] as const)
  test(`a store to which packets are ${state === 'silent' ? 'dropped' : 'slow'} holds up neither lines nor mail; then everything comes`, async (t) => {
    if (!needPeer(t, 'postgres') || !needStore(t)) return;
    const store = await Versitygw.start();
    t.after(() => store.end());
    const database = await emptyCatalog(server);
    t.after(() => database.close());
    const way = await wayTo(store.port, t);
    const host = openHost(t, server.url, 'mx1', await bodiesAt(store.urlAt(way.port)));
    host.ship();
    await host.refuse();
    await waitFor(database, 'body', 1);
    way.state = state;
    const noise = Array.from({ length: 60_000 }, () => Math.random()).join('\r\n');
    for (let i = 2; i <= 6; i++) {
      await host.refuse({ text: `Subject: ${i}\r\n\r\n${i}${noise}\r\n` });
      // Its line comes while its mail, or the one before, is still being put.
      await waitFor(database, 'mail', i);
    }
    if (state === 'silent') {
      assert.equal(await countOf(database, 'body'), 1);
      await until(() => host.states.some((problem) => problem?.startsWith('bodies: http://127.0.0.1:') === true));
    }
    way.state = 'open';
    await allThere(database, 6);
    assert.deepEqual([...host.problems, ...host.strange], []);
  });

/** The subjects of all that a host finds. */
const subjectsAt = async ({ mails }: Host): Promise<readonly string[]> =>
  (await mails.page({ query: everything, limit: 100 })).items.map(({ entry }) => entry.subject).toSorted();

/** A mail by its subject, as any host names it. */
async function refOf({ mails }: Host, subject: string): Promise<MailRef> {
  const { items } = await mails.page({ query: everything, limit: 100 });
  return (items.find(({ entry }) => entry.subject === subject) ?? assert.fail(subject)).ref;
}

const subjectOf = async ({ mails }: Host, ref: MailRef): Promise<string | undefined> =>
  (await mails.open(ref))?.header.get('Subject');

test('a disk that is thrown away costs what was not shipped, and that is said; the rest is everybody’s', async (t) => {
  if (!needPeer(t, 'postgres') || !needStore(t)) return;
  const store = await Versitygw.start();
  t.after(() => store.end());
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const bodies = await bodiesAt(store.url);
  const [mx1, mx2] = [openHost(t, server.url, 'mx1', bodies), openHost(t, server.url, 'mx2', bodies)];
  const way = await wayTo(server.port, t);
  const lost = openHost(t, server.urlAt(way.port), 'mx3', bodies);
  mx1.ship();
  const shipper = lost.ship();
  const refuse = (subject: string): Promise<string> =>
    lost.refuse({ text: `Subject: ${subject}\r\n\r\ntext\r\n`, about: { subject } });
  for (const subject of ['shown', 'released', 'deleted']) await refuse(subject);
  await waitFor(database, 'body', 3);
  await store.kill();
  await refuse('line alone');
  await waitFor(database, 'mail', 4);
  way.state = 'cut';
  await refuse('neither');
  await until(() => lost.states.at(-1)?.includes('127.0.0.1') === true);
  await shipper.stop();
  rmSync(path.dirname(lost.root), { recursive: true });
  await store.restart();

  assert.deepEqual(await subjectsAt(mx1), ['deleted', 'line alone', 'released', 'shown']);
  assert.equal(await subjectOf(mx2, await refOf(mx1, 'shown')), 'shown');
  const deleted = await refOf(mx2, 'deleted');
  assert.equal(await mx2.mails.discard(deleted, 'anna'), 'deleted');
  assert.equal(await mx1.mails.open(deleted), undefined);
  const order: ReleaseOrder = {
    relay: {
      async send({ message }) {
        for await (const _ of message.parts());
        return { kind: 'accepted', text: '250 queued' };
      },
    },
    hostname: 'mx2',
    by: 'anna',
    form: 'raw',
    again: false,
    hasUser: () => true,
  };
  assert.equal((await mx2.mails.release(await refOf(mx1, 'released'), order)).kind, 'released');
  // What has a line alone is said to be on a host that is not heard of any more, and is counted.
  await database.query(`update node set until = clock_timestamp() - interval '1 s' where node = $1`, [lost.node]);
  const alone = await refOf(mx1, 'line alone');
  assert.equal(await mx2.mails.open(alone), undefined);
  const disposition = await mx1.mails.disposition(alone);
  assert.deepEqual([disposition.onItsWayFrom, typeof disposition.notHeardSince], ['mx3', 'string']);
  const { waiting, absent } = await statusOf(database);
  assert.deepEqual([waiting, absent], [0, 1]);

  // The host comes back with a new disk: it is another node of that name, and ships as any.
  const again = openHost(t, server.url, 'mx3', bodies);
  assert.notEqual(again.node, lost.node);
  again.ship();
  await again.refuse({ text: 'Subject: again\r\n\r\ntext\r\n', about: { subject: 'again' } });
  await waitFor(database, 'body', 4);
  assert.equal(await subjectOf(mx1, await refOf(mx2, 'again')), 'again');
  assert.deepEqual([await countOf(database, 'strange'), ...again.problems, ...again.strange], [0]);
});

test('a host that has lost its state, and not its mails, ships and deletes them as before', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openHost(t, server.url, 'mx1');
  const first = host.ship();
  for (let i = 0; i < 5; i++) await host.refuse({ about: { subject: `mail ${i}` } });
  await waitFor(database, 'body', 5);
  await first.stop();
  await database.query('delete from body where id in (select id from body order by id limit 3)');
  const other = openHost(t, server.url, 'mx2');
  await other.mails.discard(await refOf(other, 'mail 4'), 'anna');
  const node = 'b'.repeat(16);
  host.ship({ node });
  await waitFor(database, 'body', 5);
  await until(() => filesBelow(host.root).filter((file) => file.includes('/new/')).length === 4);
  assert.equal(await countOf(database, 'mail'), 5);
  assert.deepEqual([await countOf(database, 'strange'), ...host.problems, ...host.strange], [0]);
});
