/** Every change by page, digest link or command is a line of the audit and one of the log; admins see them on a tab. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { Audit, readAudit } from '../../src/audit/audit.js';
import { Links } from '../../src/digest/links.js';
import { parseRef } from '../../src/quarantine/disk/mail-ref.js';
import { postern } from '../cli/support/postern-command.js';
import { admin, Client, keep, ofExampleCom, openSite, type Site } from './support.js';

const evil = 'a\u202e\u001b[2J<script>alert(1)</script>@x.example';

const told = (site: Site): readonly string[] =>
  [...readAudit(path.join(site.root, 'state'))]
    .toReversed()
    .map(({ who, from, what, target, result }) => `${who}|${from}|${what}|${target.replace(site.root, '')}|${result}`);

test('what is done on the page is told with who, where from, what and the result; so is the log', async (t) => {
  const site = await openSite(t);
  const [first, second] = [await keep(site), await keep(site)];
  const anna = await new Client(site).login();
  await anna.post('/login', { token: 'wrong' });
  const csrf = await anna.csrf();
  await anna.post('/release', { csrf, mail: first });
  await anna.post('/release', { csrf, mail: first });
  await anna.post('/delete', { csrf, mail: second });
  const marker = 'example.com/whitelisted/senders/x@y.example';
  await anna.post('/marker/create', { csrf, marker });
  await anna.post('/marker/remove', { csrf, marker });
  await anna.post('/expiry', { csrf, domain: 'example.com', expire: '90d', expire_size: '' });
  await anna.post('/logout', { csrf });
  const expected = [
    'anna|127.0.0.1|log-in|page|done',
    '|127.0.0.1|log-in failed|page|wrong token',
    `anna|127.0.0.1|released|${first}|done`,
    `anna|127.0.0.1|released|${first}|released before`,
    `anna|127.0.0.1|deleted|${second}|done`,
    `anna|127.0.0.1|marker made|/srv/${marker}|done`,
    `anna|127.0.0.1|marker removed|/srv/${marker}|done`,
    'anna|127.0.0.1|file written|/srv/example.com/expire|done',
    'anna|127.0.0.1|log-out|page|done',
  ];
  assert.deepEqual(told(site), expected);
  const logged = site.log.map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const line of expected) {
    const [who, ip, msg] = line.split('|');
    const level = msg === 'log-in failed' ? 40 : 30;
    assert.ok(
      logged.some((one) => one['who'] === who && one['ip'] === ip && one['msg'] === msg && one['level'] === level),
      line,
    );
  }
});

test('a release by a digest’s link is its recipient’s', async (t) => {
  const site = await openSite(t, ['digest_url=http://127.0.0.1']);
  const name = await keep(site);
  const ref = parseRef(name);
  assert.ok(ref);
  const link = new Links(path.join(site.root, 'state')).make({ ref, expires: Date.now() + 60_000 });
  await new Client(site).post(`/digest/${link}`, {});
  assert.deepEqual(told(site), [`postmaster@example.com|127.0.0.1|released|${name}|done`]);
});

test('what commands do is told with the user’s number', async (t) => {
  const site = await openSite(t);
  const name = await keep(site);
  const settings = [`--spam=${site.spam}`, `--state=${site.root}/state`, `--relay=${site.relay}`];
  const id = /\.(W\d+)_/.exec(name)?.[1] ?? name;
  assert.equal((await postern(['quarantine', 'release', id, ...settings])).code, 0);
  await postern(['quarantine', 'release', id, ...settings]);
  assert.equal((await postern(['quarantine', 'delete', id, ...settings])).code, 0);
  const srv = (...words: string[]) => postern(['srv', ...words, `--srv=${site.srv}`, `--state=${site.root}/state`]);
  for (const words of [
    ['add-domain', 'new.example', 'alice'],
    ['add-domain', 'new.example', 'alice'],
    ['enable', 'new.example', 'spf', '--log'],
    ['enable', 'new.example', 'spf'],
    ['expire', 'new.example', '90d'],
    ['allow', 'new.example', '--recipient', 'victim%elsewhere'],
  ])
    assert.equal((await srv(...words)).code, words[0] === 'allow' ? 64 : 0, words.join(' '));
  const me = `uid=${process.getuid?.()}|command line`;
  const { stdout } = await postern(['audit', id, ...settings]);
  assert.match(stdout, / {2}released \S+: not done: released before\n/);
  assert.equal(stdout.split('not done').length, 2);
  const made = (marker: string): string => `${me}|marker made|/srv/new.example/${marker}|done`;
  assert.deepEqual(told(site), [
    `${me}|released|${name}|done`,
    `${me}|released|${name}|released before`,
    `${me}|deleted|${name}|done`,
    made('users/valid'),
    made('users/valid/alice'),
    made('checks/spf'),
    made('checks/spf'),
    `${me}|file written|/srv/new.example/expire|done`,
  ]);
});

test('the tab is for those whose token is for everything, and obeys no octet of a stranger', async (t) => {
  const site = await openSite(t);
  const anna = await new Client(site).login();
  const csrf = await anna.csrf();
  await anna.post('/marker/create', { csrf, marker: 'example.com/users/valid/', key: '"<b>"' });
  await anna.post('/delete', { csrf, mail: `1/example.com/1.A_1.mx` });
  const { body } = await anna.get('/audit');
  assert.match(body, /aria-current="page">Audit/);
  assert.match(body, /users\/valid\/&quot;&lt;b&gt;&quot;/);
  assert.match(body, /<b>not done: gone<\/b>/);
  assert.match((await anna.get('/audit?q=gone')).body, /1\.A_1\.mx/);
  const nothing = (await anna.get(`/audit?q=${encodeURIComponent(evil)}&skip=-1`)).body;
  assert.match(nothing, /Nothing found/);
  const audit = new Audit({ state: path.join(site.root, 'state'), onProblem: assert.fail });
  audit.record({ from: evil, who: evil, what: 'marker removed', target: evil, old: evil, result: evil });
  assert.ok((await anna.get('/audit')).body.includes('it was: a[U+202E]?[2J&lt;script&gt;'));
  for (const where of ['/audit', `/audit?q=${encodeURIComponent(evil)}`])
    assert.doesNotMatch((await anna.get(where)).body, /<script>alert|[\u001b\u202e]/);
  const bob = await new Client(site).login(ofExampleCom);
  assert.equal((await bob.get('/audit')).status, 404);
  assert.ok(!(await bob.get('/')).body.includes('href="/audit"'));
});

test('the tab shows a hundred at a time', async (t) => {
  const site = await openSite(t);
  const anna = await new Client(site).login();
  const csrf = await anna.csrf();
  const mail = Array.from({ length: 150 }, (_, i) => `1/example.com/1.A_${i}.mx`);
  await anna.post('/delete', { csrf, mail });
  const count = async (where: string): Promise<number> => (await anna.get(where)).body.match(/<li class/g)?.length ?? 0;
  assert.equal(await count('/audit'), 100);
  assert.match((await anna.get('/audit')).body, /href="\/audit\?skip=100"/);
  assert.equal(await count('/audit?skip=100'), 51);
});

test('postern audit prints it: newest first, by words, as JSON, and harmless', async (t) => {
  const site = await openSite(t);
  const run = (...words: string[]) => postern(['audit', ...words, `--state=${site.root}/state`]);
  const none = await run();
  assert.deepEqual([none.code, none.stdout, none.stderr], [1, '', 'nothing found\n']);
  const client = new Client(site);
  await client.login(admin);
  await client.post('/login', { token: 'wrong' });
  new Audit({ state: path.join(site.root, 'state'), onProblem: assert.fail }).record({
    from: 'x',
    who: evil,
    what: 'marker made',
    target: evil,
    old: evil,
    result: evil,
  });
  const { stdout } = await run();
  assert.match(stdout, /log-in failed page: wrong token\n.*anna \(127\.0\.0\.1\) {2}log-in page\n$/s);
  assert.doesNotMatch(stdout, /[\u001b\u202e]/);
  assert.match(stdout, /a\?\?\[2J<script>/);
  assert.equal((await run('anna', '--json')).stdout.trim().split('\n').length, 1);
  assert.equal(JSON.parse((await run('anna', '--json')).stdout).what, 'log-in');
  const one = await run('--limit=1');
  assert.match(one.stderr, /and more/);
  assert.equal((await run('--limit=0')).code, 64);
  assert.equal((await run('--jsn')).code, 64);
});
