/** Who is let in: tokens, their file, sessions that end with them, and strangers who try. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseNetwork } from '../../src/mail/ip.js';
import { forwardedFor } from '../../src/web/login/client-address.js';
import { Sessions } from '../../src/web/login/sessions.js';
import { addToken, parseTokens, revokeTokens, tokenIn, tokenLine } from '../../src/web/login/tokens.js';
import { WrongTokens } from '../../src/web/login/wrong-tokens.js';
import { admin, Client, ofExampleCom, openSite } from './support.js';

test('wrong tokens, however many, lock nobody out; only wrong ones are slowed', async (t) => {
  const site = await openSite(t);
  const client = new Client(site);
  for (let i = 0; i < 10; i++) assert.equal((await client.post('/login', { token: `wrong${i}` })).status, 403);
  const answer = await client.post('/login', { token: 'wrong' });
  assert.equal(answer.status, 429);
  assert.ok(Number(answer.headers['retry-after']) > 0);
  assert.equal((await client.post('/login', { token: admin })).status, 303);
  assert.equal(
    (await new Client(site).post('/login', { token: 'wrong' })).status,
    429,
    'it is the address that counts',
  );
});

test('wrong tokens are slowed by the client’s address, which only a proxy of web_proxies may tell', async (t) => {
  for (const [proxies, expected] of [
    ['', 429],
    ['127.0.0.0/8', 403],
  ] as const) {
    const site = await openSite(t, [`web_proxies=${proxies}`]);
    const attempt = async (from: string): Promise<number> =>
      (await new Client(site).post('/login', { token: 'wrong' }, { 'X-Forwarded-For': from })).status;
    for (let i = 0; i < 10; i++) await attempt('192.0.2.1');
    assert.equal(await attempt('192.0.2.1'), 429);
    assert.equal(await attempt('192.0.2.2'), expected);
  }
});

const proxies = [parseNetwork('10.0.0.0/8'), parseNetwork('::1/128')].flatMap((one) => one ?? []);

const forwarded: readonly (readonly [what: string, connected: string, header: string, client: string])[] = [
  ['no proxy', '192.0.2.9', '198.51.100.1', '192.0.2.9'],
  ['a proxy', '10.0.0.1', '198.51.100.1', '198.51.100.1'],
  ['a proxy that says nothing', '10.0.0.1', '', '10.0.0.1'],
  ['two proxies', '10.0.0.1', '198.51.100.1, 10.0.0.2', '198.51.100.1'],
  ['what the client made up stands on the left', '10.0.0.1', '203.0.113.5, 198.51.100.1', '198.51.100.1'],
  ['IPv6, in brackets or not', '::1', '[2001:db8::1]', '2001:db8::1'],
  ['an IPv4-mapped address is its IPv4 address', '10.0.0.1', '::ffff:192.0.2.1', '192.0.2.1'],
  ['what is no address', '10.0.0.1', '198.51.100.1, unknown', '10.0.0.1'],
];

for (const [what, connected, header, client] of forwarded)
  test(`the client’s address: ${what}`, () => assert.equal(forwardedFor(connected, header, proxies), client));

test('ten wrong tokens a minute from an address or an IPv6 /64 are answered at once, the next waits, once it is told', () => {
  let now = 0;
  const wrong = new WrongTokens(() => now);
  for (let i = 0; i < 10; i++) assert.equal(wrong.failed(`2001:db8::${i}`).waitSeconds, 0);
  assert.deepEqual(wrong.failed('2001:db8::ff'), { waitSeconds: 60, isFirst: true });
  now += 20_000;
  assert.deepEqual(wrong.failed('2001:db8::ff'), { waitSeconds: 40, isFirst: false });
  assert.equal(wrong.failed('2001:db8:0:1::1').waitSeconds, 0);
  now += 41_000;
  assert.equal(wrong.failed('2001:db8::ff').waitSeconds, 0);
});

test('a session ends when it is not used', () => {
  let now = 1_000_000;
  const anna = { name: 'anna', hash: '', made: '' };
  const sessions = new Sessions({ current: () => anna }, () => now);
  const id = sessions.begin(anna);
  assert.ok(sessions.find(id));
  now += 13 * 3_600_000;
  assert.equal(sessions.find(id), undefined);
});

test('whoever logs in again and again puts out nobody else', () => {
  const [anna, bob] = [
    { name: 'anna', hash: 'a', made: '' },
    { name: 'bob', hash: 'b', made: '', domains: new Set(['example.com']) },
  ];
  const sessions = new Sessions({ current: (token) => (token.hash === 'a' ? anna : bob) });
  const hers = sessions.begin(anna);
  const his = Array.from({ length: 2_000 }, () => sessions.begin(bob));
  assert.equal(sessions.find(hers)?.token, anna);
  assert.equal(his.filter((id) => sessions.find(id)).length, 100);
  assert.ok(sessions.find(his.at(-1) ?? ''));
});

test('logging out ends the session', async (t) => {
  const site = await openSite(t);
  const anna = await new Client(site).login();
  const { cookie } = anna;
  await anna.post('/logout', { csrf: await anna.csrf() });
  anna.cookie = cookie;
  assert.equal((await anna.get('/')).status, 302);
});

test('a token that was taken out of the file ends its sessions at their next request, whatever its name', async (t) => {
  const site = await openSite(t);
  const file = path.join(site.root, 'tokens');
  for (const name of ['bob', 'trial', 'admin', '__proto__']) {
    const token = addToken(file, name, 'admin');
    const session = await new Client(site).login(token);
    assert.equal((await session.get('/')).status, 200, name);
    assert.equal(revokeTokens(file, name).length, name === 'bob' ? 2 : 1);
    assert.equal((await session.get('/')).status, 302, name);
    assert.equal((await session.post('/delete', {})).status, 401, name);
    assert.equal((await session.post('/login', { token })).status, 403, name);
  }
  assert.deepEqual(
    fs.readdirSync(site.root).filter((name) => name.startsWith('tokens')),
    ['tokens'],
  );
});

test('a token’s new domains count for the sessions that it has', async (t) => {
  const site = await openSite(t);
  const file = path.join(site.root, 'tokens');
  const bob = await new Client(site).login(ofExampleCom);
  assert.equal((await bob.get('/domains/example.com')).status, 200);
  fs.writeFileSync(file, tokenLine('bob', 'example.net', ofExampleCom));
  assert.equal((await bob.get('/domains/example.com')).status, 404);
  assert.equal((await bob.get('/domains/example.net')).status, 200);
});

test('a token is told once; the file has its hash alone, and its day', async (t) => {
  const site = await openSite(t);
  const file = path.join(site.root, 'tokens');
  fs.appendFileSync(file, '# a last line without its end');
  const token = addToken(file, 'carol', 'example.net');
  assert.ok(!fs.readFileSync(file, 'utf8').includes(token));
  const carol = await new Client(site).login(token);
  assert.equal((await carol.get('/domains/example.net')).status, 200);
  assert.equal((await carol.get('/domains/example.com')).status, 404);
});

const hash = 'f'.repeat(64);

test('lines of the file: older ones without a day, comments, and what is none', () => {
  const text = `a admin ${hash}\r\nb example.com,x.example ${hash} 2026-11-29\n# c admin ${hash}\nd ${hash}\ne admin ${hash}0\n`;
  assert.deepEqual(
    parseTokens(text).map(({ name, made, domains }) => [name, made, domains && [...domains]]),
    [
      ['a', '', undefined],
      ['b', '2026-11-29', ['example.com', 'x.example']],
    ],
  );
});

const pasted: readonly (readonly [text: string, token: string])[] = [
  [' abc ', 'abc'],
  ['http://127.0.0.1:8025/login#token=abc', 'abc'],
  ['https://mail.example.com/login#token=abc\n', 'abc'],
];
for (const [text, token] of pasted)
  test(`the token in ${JSON.stringify(text)}`, () => assert.equal(tokenIn(text), token));
