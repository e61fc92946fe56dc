/** Lists, searches and charts are read from a replica that streams; all else, and all when it is away, is not. */
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bodies } from '../../../src/catalog/bodies/bodies.js';
import { Catalog } from '../../../src/catalog/catalog.js';
import { KeptInCatalog } from '../../../src/catalog/kept-in-catalog.js';
import { databaseAt, replicaAt } from '../../../src/catalog/open.js';
import type { Database, Sql } from '../../../src/catalog/database.js';
import { ReadFirst, secondsBehind } from '../../../src/catalog/replica.js';
import { examineCatalog } from '../../../src/cli/doctor/shared-catalog.js';
import { type JournalHoldings, openJournalHoldings } from '../../../src/cli/holdings.js';
import { parseJournalQuery } from '../../../src/journal/query.js';
import { everything } from '../../../src/quarantine/look/query.js';
import { loadSettings } from '../../../src/settings/settings.js';
import { hasPeer, needPeer } from '../../support/peers.js';
import { Postgres } from '../../support/postgres.js';
import { patience } from '../../support/until.js';
import { lineAt, linesIn, openJournalHost } from '../journal/support.js';
import { countOf, emptyCatalog, openHost, waitFor } from '../support.js';

let primary: Postgres;
let standby: Postgres;
before(async () => {
  if (!hasPeer('postgres')) return;
  primary = await Postgres.start();
  standby = await Postgres.replicaOf(primary);
});
after(async () => {
  await standby?.end();
  await primary?.end();
});

/** The replica replays no more, until it is told to. */
async function pause(replica: Database): Promise<void> {
  await replica.query('select pg_wal_replay_pause()');
  for (let i = 0; i < 600; i++) {
    const [row] = await replica.query<{ state: string }>('select pg_get_wal_replay_pause_state() as state');
    if (row?.state === 'paused') break;
    await sleep(50);
  }
}

/** Two mails, which the replica has as well; then it replays no more: whoever asks it does not see the third. */
async function behindByOne(t: TestContext): Promise<{ mails: KeptInCatalog; resume: () => Promise<void> }> {
  const database = await emptyCatalog(primary);
  const replica = databaseAt(standby.url, { readOnly: true });
  t.after(() => Promise.all([database.close(), replica.close()]));
  const host = openHost(t, primary.url, 'mx1');
  await host.refuse({ about: { subject: 'first' } });
  await host.refuse({ about: { subject: 'second' } });
  host.ship();
  await waitFor(database, 'body', 2);
  await waitFor(replica, 'body', 2);
  await pause(replica);
  await host.refuse({ about: { subject: 'third' } });
  await waitFor(database, 'body', 3);
  assert.equal(await countOf(replica, 'mail'), 2);
  const [catalog, copy] = [new Catalog(databaseAt(primary.url)), replicaAt(standby.url) ?? assert.fail()];
  t.after(() => Promise.all([catalog.close(), copy.close()]));
  const mails = new KeptInCatalog(catalog, host.node, new Bodies(), new ReadFirst(copy, catalog));
  return { mails, resume: async () => void (await replica.query('select pg_wal_replay_resume()')) };
}

test('the replica is asked for lists and numbers, the catalog for one mail and for changes', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const { mails, resume } = await behindByOne(t);
  const { items } = await mails.page({ query: everything, limit: 10 });
  assert.deepEqual(items.map(({ entry }) => entry.subject).toSorted(), ['first', 'second'], 'as the replica has it');
  assert.equal((await mails.count({ query: everything })).total, 2);
  const all: string[] = [];
  for await (const { entry } of mails.all({ query: everything })) all.push(entry.subject);
  assert.equal(all.length, 2);

  // A mail that is deleted is gone for whoever asks for it, at once, and for the list when the replica has caught up.
  const [item] = items;
  assert.ok(item && (await mails.open(item.ref)));
  assert.equal(await mails.discard(item.ref, 'anna'), 'deleted');
  assert.equal(await mails.open(item.ref), undefined);
  assert.equal((await mails.disposition(item.ref)).mark?.kind, 'deleted');
  assert.equal((await mails.page({ query: everything, limit: 10 })).items.length, 2);
  await resume();
  const subjects = async (): Promise<readonly string[]> =>
    (await mails.page({ query: everything, limit: 10 })).items.map(({ entry }) => entry.subject).toSorted();
  for (const late = Date.now() + patience; (await subjects()).length !== 2 || !(await subjects()).includes('third');) {
    assert.ok(Date.now() < late, 'the replica does not catch up');
    await sleep(50);
  }
});

test('the journal is searched and summed up on the replica; whoever waits for new lines is told by the catalog', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(primary);
  const replica = databaseAt(standby.url, { readOnly: true });
  t.after(() => Promise.all([database.close(), replica.close()]));
  const host = openJournalHost(t, primary.url, 'mx1');
  // Older than what is still held back from those who wait.
  host.write(lineAt(90_000, { subject: 'first' }), lineAt(80_000, { subject: 'second' }));
  host.shipJournal();
  await waitFor(database, 'journal', 2);
  await waitFor(replica, 'journal', 2);
  await pause(replica);
  host.write(lineAt(70_000, { subject: 'third' }));
  await waitFor(database, 'journal', 3);

  const shared = ['--catalog', primary.url, '--journal_to=catalog', '--state', host.state];
  const open = async (...more: readonly string[]): Promise<JournalHoldings> => {
    const read = loadSettings({ argv: [...shared, ...more], env: {}, readFile: () => '' });
    assert.ok(read.ok);
    const holdings = await openJournalHoldings(read.value.settings);
    t.after(() => holdings.close());
    return holdings;
  };
  const [direct, reading] = [await open(), await open('--catalog_read', standby.url)];
  const total = async ({ counts }: JournalHoldings): Promise<number> => {
    const { hours } = await counts.of({ from: -Infinity, until: Infinity, domains: undefined });
    return hours.flatMap(({ verdicts }) => Object.values(verdicts)).reduce((sum, count) => sum + count, 0);
  };
  const seen = async ({ journal }: JournalHoldings, until?: string): Promise<readonly unknown[]> =>
    (await linesIn(journal, '', until === undefined ? {} : { until })).map(({ subject }) => subject);
  assert.deepEqual(await seen(direct), ['third', 'second', 'first']);
  assert.deepEqual(await seen(reading), ['second', 'first'], 'as the replica has it');
  assert.deepEqual([await total(direct), await total(reading)], [3, 2]);
  assert.equal(await reading.journal.oldest(), await direct.journal.oldest());

  const query = parseJournalQuery('');
  assert.ok(query.ok);
  const { items } = await reading.journal.page({ query: query.value }, { limit: 1, budget: patience });
  const newest = items[0]?.cursor ?? assert.fail();
  assert.deepEqual(await seen(reading, newest), ['third'], 'new lines are not the replica’s to tell');
  // What is erased goes from the catalog, whoever is asked otherwise.
  assert.equal(await reading.erase?.('anna@sender.example', () => undefined), 3);

  await replica.query('select pg_wal_replay_resume()');
  for (const late = Date.now() + patience; (await total(reading)) !== 3; await sleep(50))
    assert.ok(Date.now() < late, 'the replica does not catch up');
});

test('where the replica is away the catalog is asked, and doctor says why', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const { mails, resume } = await behindByOne(t);
  assert.equal((await mails.page({ query: everything, limit: 10 })).items.length, 2);
  await resume();
  await standby.kill();
  assert.equal((await mails.page({ query: everything, limit: 10 })).items.length, 3);
  assert.equal((await mails.count({ query: everything })).total, 3);
  assert.match((await findings()).join('\n'), /^warning its replica: 127\.0\.0\.1:\d+: /m);
  await standby.restart();
  const replica = databaseAt(standby.url, { readOnly: true });
  t.after(() => replica.close());
  await waitFor(replica, 'mail', 3);
  assert.match((await findings()).join('\n'), /^good its replica answers, and is at most \d+ s behind$/m);
});

test('a replica that has heard nothing since its start is passed over', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const replica = databaseAt(standby.url, { readOnly: true });
  t.after(() => replica.close());
  await primary.stop();
  // It begins with the last that it was sent, and so has nothing to replay.
  const isLevel = 'select pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() as level';
  for (const late = Date.now() + patience; !(await replica.query<{ level: boolean }>(isLevel))[0]?.level;) {
    assert.ok(Date.now() < late, 'the replica does not catch up');
    await sleep(50);
  }
  await standby.stop();
  await standby.restart();
  assert.equal(await secondsBehind(replica), Infinity);
  assert.match((await findings()).join('\n'), /^warning its replica is perhaps behind: it has replayed nothing /m);
  await primary.restart();
  const itself = databaseAt(primary.url);
  t.after(() => itself.close());
  assert.equal(await secondsBehind(itself), 0);
});

async function findings(): Promise<readonly string[]> {
  const argv = [`--catalog=${primary.url}`, `--catalog_read=${standby.url}`];
  const read = loadSettings({ argv, env: {}, readFile: () => '' });
  assert.ok(read.ok);
  const texts: string[] = [];
  for await (const { severity, text } of examineCatalog({ settings: read.value.settings }))
    texts.push(`${severity} ${text}`);
  return texts;
}

test('a replica whose last news are old is passed over; it is asked again when it has caught up', async () => {
  const asked: string[] = [];
  let behind = 59;
  const source = (name: string): { use: () => Promise<Sql> } => ({
    use: async () => ({
      query: async <R extends object>(text: string) => {
        if (text.includes('pg_last_xact_replay_timestamp')) return [{ behind }] as unknown as readonly R[];
        asked.push(name);
        return [];
      },
    }),
  });
  const first = new ReadFirst(source('replica'), source('catalog'));
  await first.query('select 1');
  behind = 61;
  await first.query('select 1');
  await new ReadFirst(source('replica'), source('catalog')).query('select 1');
  assert.deepEqual(asked, ['replica', 'replica', 'catalog'], 'what was found out holds for a while');
});
