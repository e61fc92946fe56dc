import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import ratelimit from '../../plugins/ratelimit.js';
import { Mx, type MxOptions } from '../support/mx.js';

async function start(t: TestContext, line: string, options: MxOptions = {}): Promise<Mx> {
  const mx = await Mx.start({
    markers: ['example.com/users/valid/alice', 'example.com/checks/spf'],
    zone: { 'vouched.example': { TXT: [['v=spf1 ip4:192.0.2.0/24 ip4:203.0.113.0/24 -all']] } },
    plugins: ['valid_users', 'spf', 'blacklist', 'whitelist', line],
    ...options,
    settings: ['xclient_networks=loopback', 'relay_networks=198.51.100.9', ...(options.settings ?? [])],
  });
  t.after(() => mx.close());
  return mx;
}

const send = (mx: Mx, mail: Parameters<Mx['send']>[0] = {}): Promise<string> =>
  mx.send({ xclient: 'ADDR=192.0.2.1', ...mail });

const tooMany = /^421 4\.7\.0 Too many mails, please try again later$/;
const tooManyOfDomain = /^450 4\.7\.1 Too many mails, please try again later$/;

test('a network over its limit gets 421 and no archive, others go on', async (t) => {
  const mx = await start(t, 'ratelimit client=2/1h');
  assert.match(await send(mx), /^250 /);
  assert.match(await send(mx, { xclient: 'ADDR=192.0.2.77', from: 'other@sender.example' }), /^250 /);
  assert.match(await send(mx), tooMany);
  assert.match(await send(mx, { to: 'nobody@example.com' }), tooMany);
  assert.match(await send(mx, { xclient: 'ADDR=203.0.113.1' }), /^250 /);
  assert.match(await send(mx, { xclient: 'ADDR=IPV6:2001:db8::1' }), /^250 /);
  for (let i = 0; i < 3; i++) assert.match(await send(mx, { xclient: 'ADDR=198.51.100.9' }), /^250 /);
  mx.touch('_global_/whitelisted/ips/192.0.2.0_24');
  assert.match(await send(mx), /^250 /);
  assert.deepEqual(mx.archived(), []);
});

test('the count begins anew when the time is over', async (t) => {
  const mx = await start(t, 'ratelimit client=1/3s');
  assert.match(await send(mx), /^250 /);
  assert.match(await send(mx), tooMany);
  await sleep(3100);
  assert.match(await send(mx), /^250 /);
});

test('a domain that SPF vouches for is counted over all its clients', async (t) => {
  const mx = await start(t, 'ratelimit sender=2/1h');
  const from = 'a@vouched.example';
  assert.match(await send(mx, { from }), /^250 /);
  assert.match(await send(mx, { from, xclient: 'ADDR=203.0.113.1' }), /^250 /);
  assert.match(await send(mx, { from }), tooManyOfDomain);
  assert.match(await send(mx, { from: 'a@other.example' }), /^250 /);
  assert.match(await send(mx, { from: '' }), /^250 /);
  mx.touch('example.com/whitelisted/domains/vouched.example');
  assert.match(await send(mx, { from }), /^250 /);
  assert.deepEqual(mx.archived(), []);
});

test('who only claims a domain uses up his own share', async (t) => {
  const mx = await start(t, 'ratelimit sender=1/1h');
  const from = 'a@unvouched.example';
  assert.match(await send(mx, { from }), /^250 /);
  assert.match(await send(mx, { from }), tooManyOfDomain);
  assert.match(await send(mx, { from, xclient: 'ADDR=203.0.113.1' }), /^250 /);
});

for (const [what, settings, reply] of [
  ['passes', [], /^250 /],
  ['is deferred where the setting says so', ['store_down=defer'], /^451 4\.7\.1 Temporary local problem/],
] as const) {
  test(`while the store is down a mail ${what}`, async (t) => {
    const mx = await start(t, 'ratelimit client=1/1h', { settings: ['store=redis://127.0.0.1:9', ...settings] });
    for (let i = 0; i < 3; i++) assert.match(await send(mx), reply);
  });
}

const wrong: readonly (readonly [args: readonly string[], problem: RegExp])[] = [
  [[], /needs a limit/],
  [['client=2'], /a number of mails and a time/],
  [['client=0/1h'], /a number of mails and a time/],
  [['client=1/1h/2'], /a number of mails and a time/],
  [['sender=1/1'], /a number of mails and a time/],
  [['domain=1/1h'], /the arguments are client=, sender=/],
];
for (const [args, problem] of wrong) {
  test(`"ratelimit ${args.join(' ')}" stops the start`, () => assert.throws(() => ratelimit(args), problem));
}
