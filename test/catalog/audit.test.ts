/** The audit of several hosts in a real PostgreSQL: what a search finds there is what it finds in the hosts' files. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { Audit, auditFile, auditFiles } from '../../src/audit/audit.js';
import { type AuditEntry, auditLine, holdsWords } from '../../src/audit/audit-entry.js';
import { auditOnDisk, type AuditSource } from '../../src/audit/audit-source.js';
import { readCatalogAddress } from '../../src/catalog/address.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { Database, type SqlValue } from '../../src/catalog/database.js';
import { databaseAt } from '../../src/catalog/open.js';
import { AuditInCatalog } from '../../src/catalog/shared/audit.js';
import { AuditLane } from '../../src/catalog/ship/audit-lane.js';
import { SourceDown } from '../../src/quarantine/kept-mails.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { Postgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { postern } from '../cli/support/postern-command.js';
import { Client, openSite, type Site } from '../web/support.js';
import { countOf, emptyCatalog, openHost, waitFor } from './support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

async function found(source: AuditSource, ...words: readonly string[]): Promise<readonly AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for await (const entry of source.find(words)) entries.push(entry);
  return entries;
}

const of = (who: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  time: '2026-11-29T07:00:00.000Z',
  from: '192.0.2.1',
  who,
  what: 'marker made',
  target: '/srv/example.com/checks/spf',
  result: 'done',
  ...more,
});

test('random searches find in the catalog what they find in the files of three hosts', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const hosts = ['mx1.example', 'mx2.example', 'MX3.example'].map((name) => openHost(t, server.url, name));
  const catalog = new Catalog(databaseAt(server.url));
  t.after(() => catalog.close());
  const shared = new AuditInCatalog(catalog);

  const pieces = [
    '%',
    '_',
    '\\',
    "'",
    '"',
    '\0',
    '\u2028',
    '\ud83d\ude00',
    'Ä',
    'İ',
    'a',
    'B',
    'mx2',
    ' ',
    '\n',
    '{"time":"',
  ];
  const text = fc.array(fc.constantFrom(...pieces), { maxLength: 6 }).map((some) => some.join(''));
  const entries = fc.array(
    fc.record({
      host: fc.nat(2),
      later: fc.nat(2),
      who: text,
      target: text,
      old: text,
      result: text,
      twice: fc.boolean(),
    }),
    { minLength: 200, maxLength: 200 },
  );
  const [random] = fc.sample(entries, 1);
  let time = Date.parse('2026-11-29T07:00:00Z');
  for (const { host, later, twice, ...more } of random ?? []) {
    time += later;
    const line = auditLine({ ...of('anna', more), time: new Date(time).toISOString() });
    fs.appendFileSync(auditFile(hosts[host]?.state ?? ''), twice ? line + line : line);
  }
  for (const host of hosts) host.ship();
  const lines = hosts.map(({ state }) => fs.readFileSync(auditFile(state), 'utf8').trimEnd().split('\n').length);
  await waitFor(
    database,
    'audit',
    lines.reduce((sum, count) => sum + count),
  );

  for (const words of [[], ...fc.sample(fc.array(text, { maxLength: 3 }), 60)]) {
    const there = await found(shared, ...words);
    for (const { name, state } of hosts) {
      const inFile = (await found(auditOnDisk(state))).map((entry) => ({ ...entry, host: name }));
      assert.deepEqual(
        there.filter(({ host }) => host === name),
        inFile.filter((entry) => holdsWords(entry, words)),
        JSON.stringify(words),
      );
    }
    const times = there.map((entry) => entry.time);
    assert.deepEqual(times, times.toSorted().toReversed(), 'newest first, whichever host it is of');
  }
  assert.ok((await found(shared, 'mx3.EXAMPLE')).length > 0, 'a host is found by its name');
  assert.deepEqual(
    hosts.flatMap(({ problems, strange }) => [...problems, ...strange]),
    [],
  );
});

test('a line is there once, whatever becomes of file, shipper and server; what no table takes is put aside', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openHost(t, server.url, 'mx1.example');
  const audit = new Audit({ state: host.state, onProblem: assert.fail, maxOctets: 4_000 });
  const record = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      audit.record(of(`who ${i}`));
      // The full file becomes another one behind a lock.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  let shipper = host.ship();
  await record(60);
  await waitFor(database, `audit where words like '%who 59%'`, 1);
  await shipper.stop();
  const had = await countOf(database, 'audit');
  assert.ok(fs.existsSync(auditFiles(host.state)[1] ?? ''), 'the file was full');
  shipper = host.ship();
  await record(1);
  await waitFor(database, 'audit', had + 1);

  // As a standby has it that was behind; and a file from which somebody has taken a line.
  await shipper.stop();
  const inFiles = (await found(auditOnDisk(host.state))).length;
  await database.query('delete from audit');
  shipper = host.ship();
  await waitFor(database, 'audit', inFiles);
  await shipper.stop();
  const [file = ''] = auditFiles(host.state);
  fs.writeFileSync(file, fs.readFileSync(file, 'utf8').split('\n').slice(1).join('\n'));
  const far = of('far', { time: '+123456-01-01T00:00:00.000Z' });
  fs.appendFileSync(file, `half a line {\n${auditLine(far)}${auditLine(of('behind it'))}{"time":"2026-`);
  shipper = host.ship();
  await waitFor(database, 'audit', inFiles + 1);
  await until(() => host.strange.length > 0);
  assert.match(host.strange[0] ?? '', /^audit: marker made \/srv\/example\.com\/checks\/spf: /);
  await shipper.stop();
  shipper = host.ship();
  await until(() => host.strange.length > 1);
  await shipper.stop();
  assert.deepEqual([await countOf(database, 'strange'), await countOf(database, 'audit')], [1, inFiles + 1]);
  assert.deepEqual(host.problems, []);
});

/** A server whose answer to the first line is lost: the line is there, and whoever sent it hears nothing of that. */
class LosingOnce extends Database {
  isLost = false;

  override async query<R extends object>(text: string, values?: readonly SqlValue[]): Promise<readonly R[]> {
    const rows = await super.query<R>(text, values);
    if (this.isLost || !text.includes('insert into audit')) return rows;
    this.isLost = true;
    throw new SourceDown('the answer is lost');
  }
}

test('a line whose answer was lost is not there twice, nor does it hide one that is like it', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const { state } = openHost(t, server.url, 'mx1.example');
  fs.writeFileSync(auditFile(state), auditLine(of('anna')) + auditLine(of('anna')) + auditLine(of('bob')));
  const address = readCatalogAddress(server.url);
  assert.ok(address.ok);
  const losing = new LosingOnce({ address: address.value });
  t.after(() => losing.close());
  const lane = new AuditLane({
    database: losing,
    state,
    node: 'node',
    host: 'mx1.example',
    onStrange: ({ problem }) => assert.fail(problem),
    onProblem: assert.fail,
  });
  await assert.rejects(lane.next(), SourceDown);
  while (await lane.next());
  assert.equal(await countOf(database, 'audit'), 3);
});

test('lines come once, too, where an editor makes a new file of them', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const { state, node, name } = openHost(t, server.url, 'mx1.example');
  const [file, line] = [auditFile(state), auditLine(of('anna'))];
  const onProblem = (problem: string): never => assert.fail(problem);
  const lane = new AuditLane({ database, state, node, host: name, onStrange: () => assert.fail(), onProblem });
  const drain = async (): Promise<void> => {
    while (await lane.next());
  };
  fs.writeFileSync(file, line + line);
  await drain();
  fs.appendFileSync(file, line);
  await drain();
  fs.writeFileSync(`${file}.new`, line + line + line + auditLine(of('berta')));
  fs.renameSync(`${file}.new`, file);
  await drain();
  lane.forgetRecent();
  await drain();
  assert.equal(await countOf(database, 'audit'), 4);
});

test('command and page show what was changed on all hosts, and --here the host’s own', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const site = (): Promise<Site> => openSite(t, [`catalog=${server.url}`]);
  const [mx1, mx2] = [await site(), await site()];
  const on = ({ root, srv }: Site, ...words: string[]): ReturnType<typeof postern> =>
    postern([...words, `--state=${root}/state`, `--srv=${srv}`, `--catalog=${server.url}`]);
  const [anna, berta] = [await new Client(mx1).login(), await new Client(mx2).login()];
  await anna.post('/marker/create', { csrf: await anna.csrf(), marker: 'example.com/whitelisted/senders/x@y.example' });
  await on(mx2, 'srv', 'enable', 'example.com', 'spf');
  for (const [{ root, spam }, host] of [
    [mx1, 'mx1.example'],
    [mx2, 'mx2.example'],
  ] as const)
    openHost(t, server.url, host).ship({ root: spam, state: path.join(root, 'state'), node: host });
  await waitFor(database, 'audit', 4);

  const { stdout } = await on(mx1, 'audit');
  assert.match(stdout, /^\S+ \S+ {2}mx2\.example {2}uid=\d+ \(command line\) {2}marker made \S+checks\/spf/m);
  assert.match(stdout, / {2}mx1\.example {2}anna \(127\.0\.0\.1\) {2}marker made \S+x@y\.example$/m);
  const json = (await on(mx1, 'audit', '--json', 'log-in', 'mx2')).stdout;
  assert.equal((JSON.parse(json) as AuditEntry).host, 'mx2.example');
  const here = (await on(mx2, 'audit', '--here')).stdout;
  assert.match(here, /checks\/spf/);
  assert.doesNotMatch(here, /mx\d\.example|x@y/);
  const { body } = await berta.get('/audit?q=x@y');
  assert.match(body, /<b>anna<\/b>\s*<small>127\.0\.0\.1<\/small>\s*<small>on mx1\.example<\/small>/);
  assert.match((await anna.get('/audit?q=mx2.ex')).body, /checks\/spf/);

  await server.kill();
  const down = await on(mx2, 'audit');
  assert.equal(down.code, 69);
  assert.match(down.stderr, /^postern: catalog: .*; --here shows what was changed on this host$/m);
  assert.match((await on(mx2, 'audit', '--here')).stdout, /checks\/spf/);
  assert.match((await anna.get('/audit')).body, /The catalog cannot be reached/);
  await server.restart();
});
