/** Who has logged in to the page of one host is logged in to that of each that shares the catalog, until it ends. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { tokenStore } from '../../src/cli/catalog/shared-tokens.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { SessionRows } from '../../src/catalog/shared/sessions.js';
import { TokenLines } from '../../src/catalog/shared/tokens.js';
import { addToken, hashOf } from '../../src/web/login/tokens.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { Postgres } from '../support/postgres.js';
import { Client, openSite, type Site } from '../web/support.js';
import { countOf, emptyCatalog } from './support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

/** The browser of the first client, led to another host. */
function at(host: Site, { cookie }: Client): Client {
  const client = new Client(host);
  client.cookie = cookie;
  return client;
}

const statusesAt = (hosts: readonly Site[], client: Client, target = '/domains'): Promise<readonly number[]> =>
  Promise.all(hosts.map(async (host) => (await at(host, client).get(target)).status));

test('a session is that of every host: its form, its notices, its ends', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const page = (): Promise<Site> => openSite(t, [`catalog=${server.url}`]);
  const [mx1, mx2, mx3] = [await page(), await page(), await page()];
  const all = [mx1, mx2, mx3];
  const tokens = tokenStore(path.join(mx1.root, 'tokens'), new TokenLines(new Catalog(database)));
  const annas = await tokens.add('anna', 'admin');
  const anna = new Client(mx1);
  anna.cookie = 'postern_session=chosen-by-somebody-else';
  await anna.login(annas);
  assert.match(anna.cookie, /^postern_session=[\w-]{43}$/, 'no id is taken from a client');
  assert.deepEqual(await statusesAt(all, anna), [200, 200, 200]);

  // The catalog has nothing with which a session could be used.
  const csrf = await at(mx2, anna).csrf();
  const [kept] = await database.query<{ text: string }>('select string_agg(session::text, $1) as text from session', [
    '',
  ]);
  for (const secret of [anna.cookie.split('=')[1] ?? '', csrf, annas]) assert.ok(!kept?.text.includes(secret));

  // The form of one host is taken by another; the notice is told once, by whichever page is next.
  const marker = 'example.com/whitelisted/senders/x@y.example';
  assert.equal((await at(mx2, anna).post('/marker/create', { csrf: 'x', marker })).status, 403);
  assert.equal((await at(mx2, anna).post('/marker/create', { marker })).status, 403);
  assert.equal((await at(mx2, anna).post('/marker/create', { csrf, marker })).status, 303);
  assert.match((await at(mx3, anna).get('/domains')).body, /class="notice good"[^]*x@y\.example/);
  for (const host of all) assert.doesNotMatch((await at(host, anna).get('/domains')).body, /class="notice/);

  // One that begins now knows it as well.
  assert.deepEqual(await statusesAt([await page()], anna), [200]);

  // What it may see is what its token says now.
  const bob = await new Client(mx2).login(await tokens.add('bob', 'example.com'));
  assert.deepEqual(await statusesAt(all, bob, '/domains/example.com'), [200, 200, 200]);
  assert.deepEqual(await statusesAt(all, bob, '/domains/example.net'), [404, 404, 404]);

  // Logging out, a token that goes, and not being used for long end it on every host.
  const other = await new Client(mx3).login(annas);
  assert.equal((await at(mx3, anna).post('/logout', { csrf })).status, 303);
  assert.deepEqual(await statusesAt(all, anna), [302, 302, 302]);
  assert.deepEqual(await statusesAt(all, other), [200, 200, 200], 'another session of the same token goes on');
  await tokens.revoke('anna');
  assert.deepEqual(await statusesAt(all, other), [302, 302, 302]);
  await database.query(`update session set used = used - interval '11 hours'`);
  assert.deepEqual(await statusesAt(all, bob, '/'), [200, 200, 200]);
  await database.query(`update session set used = used - interval '11 hours'`);
  assert.deepEqual(await statusesAt(all, bob, '/'), [200, 200, 200], 'it was used meanwhile');
  await database.query(`update session set used = used - interval '13 hours'`);
  assert.deepEqual(await statusesAt(all, bob, '/'), [302, 302, 302]);
  await new Client(mx1).login(await tokens.add('carol', 'admin'));
  assert.equal(await countOf(database, 'session'), 1, 'what has ended goes when the next one begins');
});

test('a token of a host’s own file lets in there alone, and also while the catalog is away', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const [mx1, mx2] = [await openSite(t, [`catalog=${server.url}`]), await openSite(t, [`catalog=${server.url}`])];
  const all = [mx1, mx2];
  const file = path.join(mx1.root, 'tokens');
  const own = addToken(file, 'root', 'admin');
  const shared = await tokenStore(file, new TokenLines(new Catalog(database))).add('anna', 'admin');
  const [root, anna] = [await new Client(mx1).login(own), await new Client(mx1).login(shared)];
  assert.equal(await countOf(database, 'session'), 1);
  assert.deepEqual(await statusesAt(all, root), [200, 302]);
  assert.deepEqual(await statusesAt(all, root), [200, 302], 'asking elsewhere does not end it');
  assert.equal((await new Client(mx2).post('/login', { token: own })).status, 403);

  await server.kill();
  assert.deepEqual(await statusesAt([mx1], root), [200]);
  const down = await anna.get('/domains');
  assert.equal(down.status, 503);
  assert.match(down.body, /The catalog cannot be reached/);
  assert.equal((await new Client(mx1).post('/login', { token: shared })).status, 503);
  const late = await new Client(mx1).login(own);
  assert.deepEqual(await statusesAt([mx1], late), [200]);
  assert.equal((await late.post('/logout', { csrf: await csrfOn(late, '/domains') })).status, 303);
  assert.equal((await new Client(mx2).get('/domains')).status, 302, 'a stranger is led to the log-in as ever');
  await server.restart();
  assert.deepEqual(await statusesAt(all, anna), [200, 200]);
});

async function csrfOn(client: Client, target: string): Promise<string> {
  const { body } = await client.get(target);
  return /name="csrf" value="([^"]+)"/.exec(body)?.[1] ?? assert.fail('no form on the page');
}

test('whoever logs in again and again puts out nobody else', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const site = await openSite(t, [`catalog=${server.url}`]);
  const catalog = new Catalog(database);
  const tokens = tokenStore(path.join(site.root, 'tokens'), new TokenLines(catalog));
  const anna = await new Client(site).login(await tokens.add('anna', 'admin'));
  const bobs = hashOf(await tokens.add('bob', 'example.com'));
  await database.query(`insert into session (hash, token) select 'bob ' || n, $1 from generate_series(1, 2000) n`, [
    bobs,
  ]);
  const rows = new SessionRows(catalog);
  await rows.begin('the newest', bobs);
  assert.deepEqual(await statusesAt([site], anna), [200]);
  assert.equal(await countOf(database, 'session'), 101);
  assert.ok(await rows.find('the newest'));
});
