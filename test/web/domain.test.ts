/** A domain's page: markers that can never match, zones, links out of the tree, many domains. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { readAudit } from '../../src/audit/audit.js';
import { Client, ofExampleCom, openSite, type Site } from './support.js';

const has = (site: Site, marker: string): boolean => fs.existsSync(path.join(site.srv, marker));
const put = (site: Site, file: string, text = ''): void => {
  fs.mkdirSync(path.dirname(path.join(site.srv, file)), { recursive: true });
  fs.writeFileSync(path.join(site.srv, file), text);
};

/** What a form is answered with, on the page that it leads to. */
async function said(client: Client, target: string, form: Record<string, string>): Promise<string> {
  const answer = await client.post(target, { csrf: await client.csrf(), back: '/domains/example.com', ...form });
  return answer.status === 303 ? (await client.get('/domains/example.com')).body : String(answer.status);
}

/** [below, typed, what is said, the marker that is offered] */
const wrong: readonly (readonly [below: string, key: string, problem: RegExp, offered?: string])[] = [
  ['blacklisted/ips', '192.0.2.0/24', /never matches: call it 192\.0\.2\.0_24/, '192.0.2.0_24'],
  ['blacklisted/ips', 'mail.example.net', /no address, and no network/],
  ['whitelisted/senders', 'example.net', /goes to domains\//],
  ['whitelisted/domains', 'anna@example.net', /goes to senders\//],
  ['blacklisted/tld', '.ph', /call it ph/, 'ph'],
  ['users/valid', 'foo@example.com', /leave out/, 'foo'],
  ['checks', 'spff', /did you mean spf\?/],
  ['checks', 'dnsbl', /switched on by the file example\.com\/zones/],
];

test('a marker that can never match is refused with what would be right, which one click makes', async (t) => {
  const site = await openSite(t);
  for (const token of [undefined, ofExampleCom]) {
    const client = await new Client(site).login(token);
    for (const [below, key, problem, offered] of wrong) {
      const body = await said(client, '/marker/create', { marker: `example.com/${below}/`, key });
      assert.match(/<div class="notice bad[^]*?<\/div>/.exec(body)?.[0] ?? '', problem, key);
      assert.ok(!has(site, `example.com/${below}/${key}`), key);
      const marker = /class="notice bad[^]*?name="marker" value="([^"]*)"/.exec(body.split('<main')[0] ?? '')?.[1];
      assert.equal(marker, offered && `example.com/${below}/${offered}`);
      if (marker !== undefined) await said(client, '/marker/create', { marker });
      if (marker !== undefined) assert.ok(has(site, marker), marker);
      if (marker !== undefined) await said(client, '/marker/remove', { marker });
    }
  }
});

test('names that are there and can never match are marked, and can be taken away', async (t) => {
  const site = await openSite(t);
  put(site, 'example.com/users/valid/Carol');
  put(site, 'example.com/blacklisted/ips/192.0.2.9_24');
  const anna = await new Client(site).login();
  const { body } = await anna.get('/domains/example.com');
  assert.match(body, /Carol <small class="problem">never matches: call it carol/);
  assert.match(body, /192\.0\.2\.9_24 <small class="problem">never matches: call it 192\.0\.2\.0_24/);
  await said(anna, '/marker/remove', { marker: 'example.com/users/valid/Carol' });
  assert.ok(!has(site, 'example.com/users/valid/Carol'));
});

test('what a marker held is in the audit, and undo brings a check back as it was tried out', async (t) => {
  const site = await openSite(t);
  put(site, 'example.com/checks/spf', 'log\n');
  put(site, 'example.com/checks/date', 'something else');
  const anna = await new Client(site).login();
  const undo = await said(anna, '/marker/remove', { marker: 'example.com/checks/spf' });
  assert.match(undo, /name="mode" value="log"[^]*Undo/);
  await said(anna, '/marker/create', { marker: 'example.com/checks/spf', mode: 'log' });
  assert.equal(fs.readFileSync(path.join(site.srv, 'example.com/checks/spf'), 'utf8'), 'log\n');
  assert.doesNotMatch(await said(anna, '/marker/remove', { marker: 'example.com/checks/date' }), /Undo/);
  put(site, 'example.com/checks/helo', 'score 2.5 # weak\n');
  assert.match((await anna.get('/domains/example.com')).body, /helo <small>2\.5 points</);
  assert.match(
    await said(anna, '/marker/remove', { marker: 'example.com/checks/helo' }),
    /name="mode" value="score 2\.5"/,
  );
  await said(anna, '/marker/create', { marker: 'example.com/checks/helo', mode: 'score 2.5' });
  assert.equal(fs.readFileSync(path.join(site.srv, 'example.com/checks/helo'), 'utf8'), 'score 2.5\n');
  await said(anna, '/marker/create', { marker: 'example.com/checks/rdns', mode: 'rm -rf' });
  assert.equal(fs.readFileSync(path.join(site.srv, 'example.com/checks/rdns'), 'utf8'), '');
  assert.deepEqual(
    [...readAudit(path.join(site.root, 'state'))].slice(3, 6).map(({ what, old, detail }) => [what, old ?? detail]),
    [
      ['marker removed', 'something else'],
      ['marker made', 'log'],
      ['marker removed', 'log\n'],
    ],
  );
});

test('weights of lists and what points do are set on the page; what makes no sense is not written', async (t) => {
  const site = await openSite(t);
  const anna = await new Client(site).login();
  const save = (text: string, list: string): Promise<string> =>
    said(anna, '/zones', { domain: 'example.com', list, text });
  assert.match(await save('bl.example.org*2.5', 'zones'), /Wrote /);
  assert.match(await save('rejct 8', 'score'), /line 1, &quot;rejct 8&quot;, must be reject or mark and points/);
  assert.match(await save('reject 4\nmark 8', 'score'), /Nothing is changed: it marks from 8 on/);
  assert.match(await save('reject 8\n# both\nmark 4', 'score'), /Wrote [^<]*example\.com\/score/);
});

test('zones are set on the page, by the parser of the check, and switch it on', async (t) => {
  const site = await openSite(t);
  const file = path.join(site.srv, 'example.com/zones');
  const bob = await new Client(site).login(ofExampleCom);
  const save = (text: string, list = 'zones', domain = 'example.com'): Promise<string> =>
    said(bob, '/zones', { domain, list, text });
  assert.match(await save('# ours\r\nbl.example.org=127.0.0.2,127.0.0.4/30\r\n'), /Wrote [^<]*example\.com\/zones/);
  assert.equal(fs.readFileSync(file, 'utf8'), '# ours\nbl.example.org=127.0.0.2,127.0.0.4/30\n');
  const { body } = await bob.get('/domains/example.com');
  assert.match(body, /<textarea[^>]*>\s*# ours\nbl\.example\.org=127\.0\.0\.2,127\.0\.0\.4\/30\n<\/textarea>/);
  assert.match(body, /dnsbl <small>on by the file zones/);
  assert.match(
    await save('bl.example.org\nhttp://bl.example/'),
    /Nothing is changed: line 2, &quot;http:\/\/bl\.example\//,
  );
  assert.match(await save('</textarea><script>alert(1)</script>'), /Nothing is changed/);
  assert.match(await save('dbl.example.org', 'domain_zones'), /Wrote [^<]*example\.com\/domain_zones/);
  assert.match(await save(''), /Removed [^<]*example\.com\/zones/);
  assert.ok(!fs.existsSync(file));
  for (const [list, domain] of [
    ['expire', 'example.com'],
    ['../zones', 'example.com'],
    ['zones', 'example.net'],
    ['zones', '_global_'],
    ['zones', 'example.com/users'],
  ] as const)
    assert.equal(await save('bl.example.org', list, domain), '404', `${list} ${domain}`);
  assert.deepEqual(
    [...readAudit(path.join(site.root, 'state'))].slice(0, 3).map(({ who, what, old }) => [who, what, old]),
    [
      ['bob', 'file removed', '# ours\nbl.example.org=127.0.0.2,127.0.0.4/30\n'],
      ['bob', 'file written', undefined],
      ['bob', 'file written', undefined],
    ],
  );
});

test('nothing outside the tree is shown, written or taken away by what a customer may link there', async (t) => {
  const site = await openSite(t);
  const outside = path.join(site.root, 'outside');
  fs.mkdirSync(outside);
  fs.writeFileSync(path.join(outside, 'secret'), 'treasure = word\n');
  fs.mkdirSync(path.join(site.srv, 'example.com/blacklisted'));
  for (const [link, target] of [
    ['example.com/zones', `${outside}/secret`],
    ['example.com/expire', `${outside}/secret`],
    ['example.com/checks', outside],
    ['example.com/blacklisted/ips', outside],
  ] as const)
    fs.symlinkSync(target, path.join(site.srv, link));
  const anna = await new Client(site).login();
  const { status, body } = await anna.get('/domains/example.com');
  assert.equal(status, 200);
  assert.match(body, /leads out of the tree by a link/);
  assert.doesNotMatch(body, /treasure|<span>secret/);
  for (const [target, form] of [
    ['/zones', { domain: 'example.com', list: 'zones', text: 'bl.example.org' }],
    ['/expiry', { domain: 'example.com', expire: '1d', expire_size: '' }],
    ['/marker/create', { marker: 'example.com/checks/spf' }],
    ['/marker/create', { marker: 'example.com/blacklisted/ips/192.0.2.1' }],
    ['/marker/remove', { marker: 'example.com/blacklisted/ips/secret' }],
  ] as const) {
    const answer = await said(anna, target, form);
    assert.match(answer, /class="notice bad/, JSON.stringify(form));
    assert.doesNotMatch(answer, /treasure/);
  }
  assert.deepEqual(fs.readdirSync(outside), ['secret']);
  assert.equal(fs.readFileSync(path.join(outside, 'secret'), 'utf8'), 'treasure = word\n');
});

test('many domains are looked for by a part of the name', async (t) => {
  const site = await openSite(t);
  for (let i = 0; i < 300; i++) fs.mkdirSync(path.join(site.srv, `d${i}.example`));
  fs.mkdirSync(path.join(site.srv, 'xn--bcher-kva.example'));
  const anna = await new Client(site).login();
  const rows = async (q: string): Promise<number> =>
    (await anna.get(`/domains?q=${encodeURIComponent(q)}`)).body.match(/<li>/g)?.length ?? 0;
  assert.match((await anna.get('/domains')).body, /and 104 more: say a part/);
  assert.deepEqual(
    [await rows(''), await rows('d29'), await rows('B\u00fccher'), await rows('"><b>')],
    [200, 11, 1, 0],
  );
  assert.match((await anna.get('/domains?q=zebra')).body, /None is called so/);
});
