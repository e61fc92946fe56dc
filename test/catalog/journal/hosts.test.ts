/** Three hosts as one: each of them tells what became of a mail, whichever it went through. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { tokenIn } from '../../../src/web/login/tokens.js';
import { hasPeer, needPeer } from '../../support/peers.js';
import { Postgres } from '../../support/postgres.js';
import { patience } from '../../support/until.js';
import { Fleet, type FleetHost } from '../fleet.js';
import { emptyCatalog, waitFor } from '../support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

test('track, stats, page and charts of each host have the mails of all; --here and journal_to = files those of one', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const own = (host: number): readonly string[] => (host === 3 ? ['journal_to=files'] : []);
  const fleet = await Fleet.start(t, { hosts: 3, settings: [`catalog=${server.url}`], own });
  const [mx1, mx2, mx3] = fleet.hosts as [FleetHost, FleetHost, FleetHost];
  const ids: string[] = [];
  for (const host of fleet.hosts) ids.push((await host.refuse(`refused by ${host.name}`)) ?? assert.fail(host.name));
  await waitFor(database, 'journal', 2);

  for (const host of [mx1, mx2]) {
    const { stdout, stderr, code } = await host.postern('track', 'from:sender@sender.example');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /by mx2\.test\.example;[\s\S]*by mx1\.test\.example;[\s\S]*2 mails in /);
    const story = await host.postern('track', ids[1] ?? '');
    assert.match(story.stdout, /"refused by mx2[\s\S]* by {6}mx2\.test\.example\n/);
    const stats = await host.postern('journal', 'stats', '--json');
    assert.deepEqual((JSON.parse(stats.stdout) as { verdicts: unknown }).verdicts, { rejected: 2 });
  }
  for (const words of [
    ['track', 'subject:refused', '--here'],
    ['track', ids[0] ?? '', '--here'],
  ]) {
    const { stdout } = await mx1.postern(...words);
    assert.match(stdout, /refused by mx1/);
    assert.doesNotMatch(stdout, /mx2|by {6}mx1/);
  }
  assert.match((await mx3.postern('track', 'subject:refused')).stdout, /refused by mx3[\s\S]*\n1 mail in /);
  assert.match((await mx1.postern('track', 'subject:nothing')).stderr, /^nothing found; looked back to /);

  const made = await mx1.postern('web', 'token', 'anna');
  const [first, , third] = await Promise.all(fleet.hosts.map((host) => host.client().login(tokenIn(made.stdout))));
  if (!first || !third) return assert.fail();
  const all = (await first.get('/journal')).body;
  for (const name of ['mx1', 'mx2'])
    assert.ok(all.includes(`refused by ${name}`) && all.includes(`by ${name}.test`), name);
  assert.doesNotMatch(all, /journal_to/);
  assert.match((await first.get(`/journal/${ids[1]}`)).body, /mx2\.test\.example/);
  assert.match((await first.get('/charts/all')).body, /<h1>2 mails in 14 days/);
  const alone = (await third.get('/journal')).body;
  assert.match(alone, /What has come to mx3\.test\.example; each host shows its own/);
  assert.ok(alone.includes('refused by mx3') && !alone.includes('refused by mx1'));

  assert.match((await mx1.postern('catalog', 'status')).stdout, /\njournal {3}2 mails, those turned away included\n/);

  // What comes in on another host while somebody looks on.
  const newest = /data-first="([^"]*)"/.exec(all)?.[1] ?? assert.fail(all);
  await mx2.refuse('while somebody looks on');
  let live = { count: 0, rows: '' };
  for (const late = Date.now() + patience; live.count === 0 && Date.now() < late; await sleep(200))
    live = JSON.parse((await first.get(`/part/journal?until=${newest}`)).body) as typeof live;
  assert.equal(live.count, 1);
  assert.match(live.rows, /while somebody looks on[\s\S]*by mx2\.test\.example/);

  const erased = await mx2.postern('journal', 'erase', 'sender@sender.example');
  assert.match(erased.stdout, /^3 lines erased in the catalog, 2 in the files of this host; the other hosts follow/);
  for (const host of [mx1, mx2]) assert.equal((await host.postern('track', 'sender@sender.example')).code, 1);
  await waitFor(database, 'erased', 2);
  assert.equal((await mx1.postern('track', 'sender@sender.example', '--here')).code, 1, 'in its files as well');

  await server.kill();
  assert.ok(await mx2.refuse('while the catalog is down'), 'mail goes on');
  const down = await mx2.postern('track', 'subject:refused');
  assert.equal(down.code, 69);
  assert.match(down.stderr, /catalog: .*; --here asks this host's files alone/);
  let here = '';
  for (const late = Date.now() + patience; here === '' && Date.now() < late;)
    here = (await mx2.postern('track', 'subject:while', '--here')).stdout;
  assert.match(here, /while the cata/);
  assert.equal((await first.get('/journal')).status, 503);
});
