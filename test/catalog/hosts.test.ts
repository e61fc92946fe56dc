/** Three hosts as one: what each of them refuses is shown, released, deleted and mailed about by all. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { databaseAt } from '../../src/catalog/open.js';
import { freePort } from '../support/free-port.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { Postgres } from '../support/postgres.js';
import { patience } from '../support/until.js';
import { tokenIn } from '../../src/web/login/tokens.js';
import { Fleet, type FleetHost } from './fleet.js';
import { restrictedCatalog } from './care/restricted.js';
import { waitFor } from './support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

const url = 'https://quarantine.test.example';

test('three hosts: one list, one page, one release, one set of tokens, one digest with links that work everywhere', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  // Their role owns no table; elsewhere one role does everything.
  const urls = await restrictedCatalog(server);
  const database = databaseAt(urls.admin);
  t.after(() => database.close());
  const fleet = await Fleet.start(t, { hosts: 3, settings: [`catalog=${urls.host}`, `digest_url=${url}`] });
  const [mx1, mx2, mx3] = fleet.hosts as [FleetHost, FleetHost, FleetHost];

  const ids: string[] = [];
  for (const host of fleet.hosts) ids.push((await host.refuse(`refused by ${host.name}`)) ?? assert.fail(host.name));
  await waitFor(database, 'body', 3);

  // Each command finds what each host has refused.
  for (const host of fleet.hosts) {
    const list = await host.postern('quarantine', 'list', '--json');
    assert.equal(list.code, 0, list.stderr);
    assert.deepEqual(
      list.stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { id: string }).id)
        .toSorted(),
      ids.toSorted(),
    );
    const shown = await host.postern('quarantine', 'show', ids[0] ?? '');
    assert.match(shown.stdout, /Subject: refused by mx1\.test\.example[\s\S]*Text\./);
  }
  const here = await mx1.postern('quarantine', 'list', '--here', '--json');
  assert.equal(here.stdout.trim().split('\n').length, 1);

  // A token that one host makes lets in on all, until one of them ends it.
  const made = await mx1.postern('web', 'token', 'anna');
  assert.equal(made.code, 0, made.stderr);
  const pages = await Promise.all(fleet.hosts.map((host) => host.client().login(tokenIn(made.stdout))));
  for (const page of pages) {
    const { body } = await page.get('/');
    for (const host of fleet.hosts) assert.ok(body.includes(`refused by ${host.name}`), host.name);
  }

  // Two buttons on two hosts: one release.
  const address = /name="mail" value="([^"]+)"/.exec((await pages[1]?.get('/?q=subject:mx1'))?.body ?? '')?.[1] ?? '';
  const pressed = await Promise.all(
    [pages[1], pages[2]].map(async (page) =>
      page?.post('/release', { mail: address, csrf: await page.csrf(), back: '/' }),
    ),
  );
  assert.deepEqual(
    pressed.map((answer) => answer?.status),
    [303, 303],
  );
  assert.equal(fleet.delivered.length, 1);
  assert.match(fleet.delivered[0] ?? '', /refused by mx1\.test\.example/);
  const again = await mx1.postern('quarantine', 'release', ids[0] ?? '');
  assert.match(again.stdout, /^already .*by anna \(page\)/);

  assert.match((await mx2.postern('web', 'revoke', 'anna')).stdout, /took out the token of anna/);
  for (const page of pages) assert.equal((await page.get('/')).status, 302);

  // One digest for all hosts, whoever is first.
  await database.query(`update mail set at = at - interval '1 day'`);
  const digests = await Promise.all(
    fleet.hosts.map((host) => host.postern('quarantine', 'digest', '--domain=example.com')),
  );
  assert.equal(digests.filter(({ stdout }) => /sent 2 mails/.test(stdout)).length, 1, JSON.stringify(digests));
  assert.equal(fleet.delivered.length, 2);
  assert.match((await mx3.postern('quarantine', 'digest', '--domain=example.com')).stdout, /already/);
  const digest = fleet.delivered.find((mail) => mail.includes('/digest/')) ?? assert.fail('no digest');
  const links = [...new Set(digest.replace(/=\r?\n/g, '').match(/\/digest\/[\w-]+\.[\w-]{43}/g))];
  assert.equal(links.length, 2);
  for (const host of fleet.hosts) assert.equal((await host.client().get(links[0] ?? '')).status, 200, host.name);
  assert.match((await mx2.client().post(links[0] ?? '', {})).body, /on its way to its recipient/);
  assert.match((await mx3.client().post(links[0] ?? '', {})).body, /Released before/);
  assert.equal(fleet.delivered.length, 3);

  // The catalog is away: mail is refused as ever, the page says so, and a host's own files are still there.
  await server.kill();
  const late = (await mx2.refuse('while the catalog is away')) ?? assert.fail('no 550');
  assert.equal((await mx3.client().get(links[1] ?? '')).status, 503);
  const down = await mx2.postern('quarantine', 'list');
  assert.equal(down.code, 69);
  assert.match(down.stderr, /^postern: catalog: 127\.0\.0\.1:\d+: .*; --here looks at this host's files alone\n$/);
  assert.match((await mx2.postern('quarantine', 'show', late, '--here')).stdout, /while the catalog is away/);
  await server.restart();
  await waitFor(database, 'body', 4);
  assert.match((await mx1.postern('quarantine', 'show', late)).stdout, /while the catalog is away/);

  // A host is gone for good, with its disk: what it had shipped is there.
  await mx3.kill();
  assert.match((await mx1.postern('quarantine', 'show', ids[2] ?? '')).stdout, /refused by mx3/);
  const status = await mx1.postern('catalog', 'status', '--json');
  const { hosts, mails, waiting, strange } = JSON.parse(status.stdout) as Record<string, unknown>;
  assert.deepEqual([(hosts as unknown[]).length, mails, waiting, strange], [3, 4, 0, 0]);
});

test('catalog migrate and status say what there is, and no password', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = databaseAt(server.url);
  t.after(() => database.close());
  await database.query('drop schema public cascade');
  await database.query('create schema public');
  const metrics = await freePort();
  const settings = [`catalog=${server.url}`, `metrics=127.0.0.1:${metrics}`];
  const fleet = await Fleet.start(t, { hosts: 1, settings });
  const [mx1] = fleet.hosts as [FleetHost];
  const empty = await mx1.postern('catalog', 'status');
  assert.deepEqual(
    [empty.code, empty.stderr],
    [69, 'postern: the catalog has no tables yet: run "postern catalog migrate" once\n'],
  );
  assert.match((await mx1.postern('catalog', 'migrate')).stdout, /^the catalog has the tables of version \d+ now\n/);
  assert.match(
    (await mx1.postern('catalog', 'migrate')).stdout,
    /^the catalog has the tables of version \d+ already\n/,
  );
  await mx1.refuse('one');
  await waitFor(database, 'body', 1);
  const { stdout } = await mx1.postern('catalog', 'status');
  assert.match(
    stdout,
    /^server {4}PostgreSQL \d+[\s\S]*host {6}mx1\.test\.example \([0-9a-f]{16}\) ships\n[\s\S]*mails {5}1, /,
  );
  const read = async (): Promise<string> => (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
  let numbers = await read();
  // The processes tell each other in turns.
  for (const late = Date.now() + patience; !/^postern_catalog_bodies_total 1$/m.test(numbers) && Date.now() < late;)
    numbers = await read();
  for (const line of ['postern_catalog_up 1', 'postern_catalog_lines_total 1', 'postern_catalog_bodies_total 1'])
    assert.ok(numbers.includes(`\n${line}\n`), `${line}: ${numbers.match(/^postern_catalog.*$/gm)?.join('; ')}`);
  assert.match(numbers, /^process_resident_memory_bytes\{.*"shipping".*\} \d+$/m);
  const doctor = await mx1.postern('doctor', '--json');
  const findings = doctor.stdout.split('\n').filter((line) => line.includes('"area":"catalog"'));
  assert.equal(findings.length, 1, doctor.stdout);
  assert.match(findings[0] ?? '', /"severity":"good".*PostgreSQL \d+.* answers; 1 of 1 hosts ship/);
  const once = await mx1.postern('catalog', 'ship', '--once');
  assert.deepEqual([once.code, /another process ships as node/.test(once.stderr)], [69, true]);
  await mx1.process.stop();
  assert.deepEqual(await mx1.postern('catalog', 'ship', '--once'), { code: 0, stdout: '', stderr: '' });
  const secret = /:([^@]+)@/.exec(server.url)?.[1] ?? '';
  assert.ok(!`${mx1.process.output}${mx1.process.complaints}`.includes(secret));
});
