import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import greylisting from '../../plugins/greylisting.js';
import { Mx, type MxOptions } from '../support/mx.js';

const delayMs = 2000;
const later = (): Promise<void> => sleep(delayMs + 50);
const greylisted = /^450 4\.7\.1 Greylisted, please try again in [12] seconds?$/;

async function start(t: TestContext, options: MxOptions = {}): Promise<Mx> {
  const mx = await Mx.start({
    markers: ['example.com/users/valid/alice', 'example.com/users/valid/bob', 'example.com/checks/greylisting'],
    plugins: ['valid_users', 'spf', 'blacklist', 'whitelist', 'greylisting delay=2s window=1h clients=2'],
    ...options,
    settings: ['xclient_networks=loopback', ...(options.settings ?? [])],
  });
  t.after(() => mx.close());
  return mx;
}

/** From a client of 192.0.2.0/24 unless told otherwise. */
const send = (mx: Mx, mail: Parameters<Mx['send']>[0] = {}): Promise<string> =>
  mx.send({ xclient: 'ADDR=192.0.2.1', ...mail });

test('the first try is put off and nowhere, the second is taken, and the third at once', async (t) => {
  const mx = await start(t);
  assert.match(await send(mx), greylisted);
  assert.match(await send(mx), greylisted);
  assert.deepEqual([mx.delivered(), mx.archived()], [[], []]);
  await later();
  assert.match(await send(mx, { xclient: 'ADDR=192.0.2.200' }), /^250 /);
  assert.match(await send(mx), /^250 /);
  assert.match(await send(mx, { from: 'Sender@SENDER.example', to: 'alice@EXAMPLE.com' }), /^250 /);
});

test('another sender, recipient or network is another try', async (t) => {
  const mx = await start(t);
  assert.match(await send(mx), greylisted);
  await later();
  assert.match(await send(mx, { from: 'other@sender.example' }), greylisted);
  assert.match(await send(mx, { to: 'bob@example.com' }), greylisted);
  assert.match(await send(mx, { xclient: 'ADDR=192.0.3.1' }), greylisted);
  assert.match(await send(mx, { to: ['alice@example.com', 'bob@example.com'] }), greylisted);
  assert.match(await send(mx), /^250 /);
});

test('a network whose tries came again twice is known', async (t) => {
  const mx = await start(t);
  for (const from of ['a@one.example', 'b@two.example']) assert.match(await send(mx, { from }), greylisted);
  await later();
  for (const from of ['a@one.example', 'b@two.example']) assert.match(await send(mx, { from }), /^250 /);
  assert.match(await send(mx, { from: 'c@three.example', to: 'bob@example.com' }), /^250 /);
  assert.match(await send(mx, { from: 'c@three.example', xclient: 'ADDR=198.51.100.1' }), greylisted);
});

test('greylisting asks SPF itself where no check did: a sender pool passes at its second try', async (t) => {
  const mx = await start(t, {
    plugins: ['valid_users', 'greylisting delay=2s window=1h clients=5'],
    zone: { 'sender.example': { TXT: [['v=spf1 ip4:198.18.0.0/15 ~all']] } },
  });
  assert.match(await send(mx, { xclient: 'ADDR=198.18.0.7' }), greylisted);
  await later();
  assert.match(await send(mx, { xclient: 'ADDR=198.18.1.7' }), /^250 /);
  assert.match(await send(mx, { xclient: 'ADDR=198.18.2.7', to: 'bob@example.com' }), /^250 /);
  assert.match(await send(mx, { xclient: 'ADDR=203.0.113.7' }), greylisted, 'SPF does not vouch for this one');
});

test('a domain that SPF vouches for comes again from any host, and is known then', async (t) => {
  const mx = await start(t, {
    zone: { 'sender.example': { TXT: [['v=spf1 ip4:192.0.2.0/24 ip4:203.0.113.0/24 -all']] } },
  });
  mx.touch('example.com/checks/spf');
  assert.match(await send(mx), greylisted);
  await later();
  assert.match(await send(mx, { xclient: 'ADDR=203.0.113.9' }), /^250 /);
  assert.match(await send(mx, { from: 'new@sender.example', to: 'bob@example.com' }), /^250 /);
  assert.match(await send(mx, { from: 'x@unknown.example' }), greylisted);
});

test('rejected and whitelisted mail is not put off', async (t) => {
  const mx = await start(t);
  assert.match(await send(mx, { to: 'nobody@example.com' }), /^550 5\.1\.1 /);
  mx.touch('example.com/blacklisted/senders/bad@sender.example');
  assert.match(await send(mx, { from: 'bad@sender.example' }), /^550 5\.7\.1 Blacklisted/);
  mx.touch('example.com/whitelisted/senders/friend@sender.example');
  assert.match(await send(mx, { from: 'friend@sender.example' }), /^250 /);
});

test('checks/all does not switch it on, and a marker with the word log stops nothing', async (t) => {
  const mx = await start(t);
  mx.remove('example.com/checks/greylisting');
  mx.touch('example.com/checks/all');
  assert.match(await send(mx), /^250 /);
  mx.touch('example.com/checks/greylisting=log');
  assert.match(await send(mx, { from: 'new@sender.example' }), /^250 /);
  assert.match(String(mx.log.findLast(({ msg }) => msg === 'note')?.['why']), /^log only, would defer: network 192/);
});

const down = 'store=redis://127.0.0.1:9';
for (const [what, settings, reply] of [
  ['passes', [down], /^250 /],
  ['is deferred where the setting says so', [down, 'store_down=defer'], /^451 4\.7\.1 Temporary local problem/],
] as const) {
  test(`while the store is down a mail ${what}`, async (t) => {
    const mx = await start(t, { settings });
    for (let i = 0; i < 3; i++) assert.match(await send(mx), reply);
    assert.ok(mx.log.some(({ why }) => /store: .*ECONNREFUSED/.test(String(why))));
  });
}

/** [arguments, what is wrong with them] */
const wrong: readonly (readonly [args: readonly string[], problem: RegExp])[] = [
  [['delay=0s'], /delay must be a time/],
  [['delay=5'], /delay must be a time/],
  [['delay=1h', 'window=1h'], /window must be longer/],
  [['life=1y'], /life must be a time/],
  [['clients=0'], /whole number/],
  [['client=2'], /the arguments are delay=/],
  [['constructor=2'], /the arguments are delay=/],
  [['delay'], /delay must be a time/],
  [['delay=1m', 'delay=2m'], /given twice/],
];
for (const [args, problem] of wrong) {
  test(`greylisting ${args.join(' ')} stops the start`, () => assert.throws(() => greylisting(args), problem));
}
