/** What can go wrong between a host's journal and the catalog: each line comes in the end, once, as it stands there. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { Catalog } from '../../../src/catalog/catalog.js';
import type { Database } from '../../../src/catalog/database.js';
import { eraseInCatalog, forgetErasures } from '../../../src/catalog/journal/erasures.js';
import { dropRareNames } from '../../../src/catalog/journal/sums-in-catalog.js';
import { dropOldLines } from '../../../src/catalog/parts.js';
import { databaseAt } from '../../../src/catalog/open.js';
import { careForJournal } from '../../../src/journal/care.js';
import { hourAt } from '../../../src/journal/hours.js';
import { journalText } from '../../../src/journal/line.js';
import { parseJournalQuery } from '../../../src/journal/query.js';
import { SourceDown } from '../../../src/quarantine/kept-mails.js';
import { hasPeer, needPeer } from '../../support/peers.js';
import { Postgres } from '../../support/postgres.js';
import { relayed } from '../../journal/support.js';
import { until } from '../../support/until.js';
import { countOf, emptyCatalog, waitFor } from '../support.js';
import { lineAt, linesIn, openJournalHost } from './support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

async function catalogFor(t: TestContext): Promise<Database | undefined> {
  if (!needPeer(t, 'postgres')) return undefined;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  return database;
}

const counted = (database: Database): Promise<readonly { kind: string; name: string; lines: number }[]> =>
  database.query(`select kind, name, sum(lines)::integer as lines from journal_tally group by 1, 2 order by 1, 2`);

test('a server that is killed, a shipper that is started anew, lost rows, a removed part: each line is there once', async (t) => {
  const database = await catalogFor(t);
  if (!database) return;
  const host = openJournalHost(t, server.url, 'mx1.example');
  let shipper = host.shipJournal();
  const some = (count: number, agoMs = 0): void =>
    host.write(...Array.from({ length: count }, (_, i) => lineAt((i % 40) * agoMs, { subject: `mail ${i}` })));
  some(200, hourMs);
  await waitFor(database, 'journal', 200);
  await server.kill();
  some(200);
  await until(() => host.states.some((problem) => problem !== undefined));
  await server.restart();
  await waitFor(database, 'journal', 400);
  await shipper.stop();
  some(100);
  shipper = host.shipJournal();
  await waitFor(database, 'journal', 500);
  await shipper.stop();
  const all = await counted(database);
  assert.deepEqual(
    all.find(({ kind }) => kind === 'verdict'),
    { kind: 'verdict', name: 'relayed', lines: 500 },
  );
  // As a standby has it that was behind when it became the primary: rows and what was counted of them are gone.
  const yesterday = new Date(Date.now() - 30 * hourMs).toISOString().slice(0, 10).replaceAll('-', '');
  await database.query(`drop table journal_${yesterday}, journal_tally_${yesterday}`);
  shipper = host.shipJournal();
  await waitFor(database, 'journal', 500);
  await shipper.stop();
  assert.deepEqual(await counted(database), all);
  assert.deepEqual([...host.strange, ...host.problems], []);
});

test('a copy of the state with a name of its own in the catalog ships nothing twice', async (t) => {
  const database = await catalogFor(t);
  if (!database) return;
  const [host, copy] = ['mx1.example', 'mx2.example'].map((name) => openJournalHost(t, server.url, name));
  if (!host || !copy) return assert.fail();
  host.write(...Array.from({ length: 30 }, (_, i) => lineAt(i * hourMs)));
  fs.cpSync(host.dir, copy.dir, { recursive: true });
  copy.write(lineAt(0));
  host.shipJournal();
  copy.shipJournal();
  await waitFor(database, `journal where host = 'mx2.example'`, 1);
  await waitFor(database, 'journal', 31);
  const verdicts = await counted(database);
  assert.equal(verdicts.find(({ kind }) => kind === 'verdict')?.lines, 31);
});

test('torn lines are passed over, a line that no table takes is put aside once, and none holds up another', async (t) => {
  const database = await catalogFor(t);
  if (!database) return;
  const host = openJournalHost(t, server.url, 'mx1.example');
  await database.query(`alter table journal add check (line not like '%no table takes this%')`);
  const odd = 'a NUL \0, half a pair \ud83d, \u202e, \u212aim';
  host.write(
    ...Array.from({ length: 20 }, (_, i) => lineAt(0, { subject: `good ${i}` })),
    lineAt(0, { subject: 'no table takes this' }),
    lineAt(0, { subject: odd, from: `${odd}@x.example`, domain: `${odd}.example`, plugin: odd, verdict: 'rejected' }),
  );
  const { file } = hourAt(host.dir, Date.now());
  fs.appendFileSync(
    file,
    `${journalText({ ...relayed, time: '1970-01-01T00:00:00.000Z' })}{"time":"2026-11\n\0\0\0\n{"time":"torn`,
  );
  fs.mkdirSync(path.join(host.dir, '2999-01-01'));
  fs.writeFileSync(
    path.join(host.dir, '2999-01-01/05.ndjson'),
    '{"time":"2999-01-01T05:00:00.000Z","verdict":"relayed"}\n',
  );
  let shipper = host.shipJournal();
  await waitFor(database, 'strange', 1);
  await waitFor(database, 'journal', 22);
  await shipper.stop();
  shipper = host.shipJournal();
  await until(() => host.strange.length >= 2);
  await shipper.stop();
  assert.equal(await countOf(database, 'strange'), 1);
  assert.match(host.strange[0] ?? '', /^journal \d{4}-\d\d-\d\dT\d\d:00:00.000Z:\d+: .*check constraint/);
  const [line] = await linesIn(host.journal, 'subject:"KIM"');
  assert.equal(line?.subject, odd, 'JSON holds what no text of PostgreSQL can');
});

test('lines that are masked on their host are masked in the catalog, and counted as what they are then', async (t) => {
  const database = await catalogFor(t);
  if (!database) return;
  const host = openJournalHost(t, server.url, 'mx1.example');
  host.write(lineAt(3 * dayMs, { subject: 'old' }), lineAt(0, { subject: 'young' }));
  const shipper = host.shipJournal();
  await waitFor(database, 'journal', 2);
  await shipper.stop();
  await careForJournal({ dir: host.dir, keepMs: 14 * dayMs, maskMs: dayMs, now: Date.now() });
  host.shipJournal();
  await waitFor(database, `journal where line like '%"203.0.113.0/24"%'`, 1);
  const [young, old] = await linesIn(host.journal);
  assert.deepEqual([young?.from, young?.subject], ['anna@sender.example', 'young']);
  assert.deepEqual([old?.from, old?.subject, old?.ip], ['@sender.example', undefined, '203.0.113.0/24']);
  assert.equal((await linesIn(host.journal, 'anna@sender.example')).length, 1);
  assert.deepEqual(
    (await counted(database)).filter(({ kind }) => kind === 'client').map(({ name }) => name),
    ['203.0.113.0/24', '203.0.113.9'],
  );
});

test('an address that is erased goes from the catalog at once, and from the files of the other hosts', async (t) => {
  const database = await catalogFor(t);
  if (!database) return;
  const hosts = ['mx1', 'mx2', 'mx3'].map((name) => openJournalHost(t, server.url, `${name}.example`));
  for (const host of hosts) {
    host.write(
      lineAt(2 * hourMs, {
        reply: '550 no <Anna@Sender.example> here',
        from: 'x@y.example',
        header_from: 'x@y.example',
      }),
      lineAt(0, { subject: 'secret' }),
      lineAt(0, {
        from: 'bob@other.example',
        header_from: 'bob@other.example',
        'message-id': '<2@x>',
        subject: 'kept',
      }),
    );
  }
  const [first, second, gone] = hosts;
  if (!first || !second || !gone) return assert.fail();
  const shippers = hosts.map((host) => host.shipJournal());
  await waitFor(database, 'journal', 9);
  await shippers[2]?.stop();
  await shippers[1]?.stop();
  const catalog = new Catalog(databaseAt(server.url));
  t.after(() => catalog.close());
  assert.equal(await eraseInCatalog(catalog, 'anna@sender.example', () => undefined), 6);
  const named = `journal where lower(line) like '%anna@sender.example%'`;
  assert.equal(await countOf(database, named), 0);
  assert.deepEqual(await linesIn(first.journal, 'anna@sender.example'), []);
  assert.deepEqual(await linesIn(first.journal, 'subject:secret'), []);
  assert.equal((await linesIn(first.journal, 'subject:kept')).length, 3);
  // The second comes up again: its files still had the address, and what it compares puts nothing back.
  second.shipJournal();
  await waitFor(database, `erased where node = '${second.node}'`, 1);
  const files = fs
    .readdirSync(second.dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ndjson'))
    .map((name) => fs.readFileSync(path.join(second.dir, name), 'utf8'))
    .join('');
  assert.doesNotMatch(files, /anna@sender\.example|secret/i);
  assert.match(files, /kept/);
  await waitFor(database, named, 0);
  assert.equal(await countOf(database, 'journal'), 9);
  // The address itself is kept until all have followed.
  await forgetErasures(database, dayMs);
  assert.equal(await countOf(database, 'erasure'), 1);
  await shippers[0]?.stop();
  first.shipJournal();
  gone.shipJournal();
  await waitFor(database, 'erased', 3);
  await forgetErasures(database, dayMs);
  assert.equal(await countOf(database, 'erasure'), 0);
});

test('of senders and clients those that came seldom go when the hour is over; what is said of all mail stays', async (t) => {
  const database = await catalogFor(t);
  if (!database) return;
  const host = openJournalHost(t, server.url, 'mx1.example');
  const many = Array.from({ length: 520 }, (_, i) =>
    lineAt(4 * hourMs, { ip: `192.0.${i % 5}.${i >> 2}`, from: `a@${i}.x` }),
  );
  const often = Array.from({ length: 5 }, () => lineAt(4 * hourMs, { ip: '198.51.100.7', from: 'a@often.x' }));
  const seldom = lineAt(4 * hourMs, { domain: 'small.example', ip: '198.51.100.8', from: 'a@seldom.x' });
  host.write(...many, ...often, seldom);
  const shipper = host.shipJournal();
  await waitFor(database, 'journal', 526);
  await shipper.stop();
  await dropRareNames(database);
  const { senders, clients, verdicts } = await host.sums.of({ from: 0, until: Infinity, domains: undefined });
  assert.deepEqual(
    [senders[0], clients[0]],
    [
      { name: 'often.x', count: 5 },
      { name: '198.51.100.7', count: 5 },
    ],
  );
  assert.deepEqual(verdicts, { relayed: 526 });
  assert.ok((await countOf(database, `journal_tally where kind = 'sender'`)) <= 501);
  assert.equal(await countOf(database, `journal_tally where name in ('seldom.x', '198.51.100.8')`), 2);
});

test('days that are too old go as a whole, with what was counted of them', async (t) => {
  const database = await catalogFor(t);
  if (!database) return;
  const host = openJournalHost(t, server.url, 'mx1.example');
  host.write(lineAt(9 * dayMs), lineAt(5 * dayMs), lineAt(0));
  const shipper = host.shipJournal(7 * dayMs);
  await waitFor(database, 'journal', 3).catch(() => undefined);
  await shipper.stop();
  await dropOldLines(database, 7 * dayMs);
  assert.equal(await countOf(database, 'journal'), 2);
  const [sum] = await database.query<{ lines: number }>(
    `select sum(lines)::integer as lines from journal_tally where kind = 'verdict'`,
  );
  assert.equal(sum?.lines, 2);
  assert.ok(((await host.journal.oldest()) ?? 0) > Date.now() - 6 * dayMs);
});

test('while the catalog cannot be asked a search says so; a cursor of a stranger is none', async (t) => {
  const database = await catalogFor(t);
  if (!database) return;
  const host = openJournalHost(t, server.url, 'mx1.example');
  host.write(lineAt(0), lineAt(0));
  host.shipJournal();
  await waitFor(database, 'journal', 2);
  const query = parseJournalQuery('');
  assert.ok(query.ok);
  const strange = [['x'], [1e300, 'a', 1], [1, 'a\0', 1], [-1, 'a', 0], ["'", 1, 2], null].map((value) =>
    Buffer.from(JSON.stringify(value)).toString('base64url'),
  );
  for (const cursor of ['', '%', ...strange])
    await host.journal.page({ query: query.value, cursor, until: cursor }, { limit: 1, budget: 100 });
  await server.kill();
  await assert.rejects(host.journal.page({ query: query.value }, { limit: 1, budget: 100 }), SourceDown);
  await assert.rejects(host.sums.of({ from: 0, until: Infinity, domains: undefined }), SourceDown);
  await server.restart();
  assert.equal((await linesIn(host.journal)).length, 2);
});
