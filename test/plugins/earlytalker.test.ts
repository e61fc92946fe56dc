/** earlytalker: strangers are greeted late, and the mail of those who do not wait for their turn is turned away. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import earlytalker from '../../plugins/earlytalker.js';
import { message, Mx, type MxOptions } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { RawClient } from '../support/raw-client.js';
import { until } from '../support/until.js';

const ehlo = 'EHLO client.example';
const mail = 'MAIL FROM:<sender@sender.example>';
const rcpt = 'RCPT TO:<alice@example.com>';
const text = `${message()}\r\n.`;

async function start(t: TestContext, line: string, options: MxOptions = {}): Promise<Mx> {
  const mx = await Mx.start({
    markers: ['example.com/users/valid/alice', 'friendly.example/users/valid/alice', ...(options.markers ?? [])],
    plugins: [line, 'valid_users', 'whitelist'],
    settings: ['journal=0', ...(options.settings ?? [])],
    ...(options.zone && { zone: options.zone }),
  });
  t.after(() => mx.close());
  return mx;
}

/** Clients that had to wait. */
const delays = ({ log }: Mx): number =>
  log.filter(({ msg, plugin }) => msg === 'delay' && plugin === 'earlytalker').length;

/** Lines as the client says them: each item is one segment, and comes after the replies to the one before. */
type Talk = readonly (readonly string[])[];

async function say(mx: Mx, talk: Talk, { from, early }: { from?: string; early?: string } = {}): Promise<string> {
  const options = { port: mx.port, ...(from !== undefined && { from }) };
  const client = RawClient.connect({ ...options, ...(early !== undefined && { early }) });
  await client.reply(30_000);
  for (let i = 0; i < (early?.split('\n').length ?? 1) - 1; i++) await client.reply();
  let last = '';
  for (const segment of talk) {
    client.write(segment.map((line) => `${line}\r\n`).join(''));
    last = (await client.hear(segment.length)).at(-1) ?? '';
  }
  client.end();
  return last;
}

const patient: Talk = [[ehlo], [mail], [rcpt], ['DATA'], [text]];

/** [what, what is said, what is said before the greeting, why it is refused; '' where it is not] */
const table: readonly (readonly [what: string, talk: Talk, early: string | undefined, why: string])[] = [
  ['who waits for each reply', patient, undefined, ''],
  ['who pipelines as EHLO has offered', [[ehlo], [mail, rcpt, 'DATA'], [text]], undefined, ''],
  ['who greets before the greeting', [[mail], [rcpt], ['DATA'], [text]], `${ehlo}\r\n`, 'before the greeting'],
  ['who says MAIL with EHLO', [[ehlo, mail], [rcpt], ['DATA'], [text]], undefined, 'not waited for our replies'],
  ['who says MAIL with HELO', [['HELO c', mail], [rcpt], ['DATA'], [text]], undefined, 'not waited for our replies'],
  ['who pipelines behind HELO', [['HELO c'], [mail, rcpt], ['DATA'], [text]], undefined, 'not waited for our replies'],
  [
    'who was offered it by EHLO and then says HELO',
    [[ehlo], ['HELO c'], [mail, rcpt], ['DATA'], [text]],
    undefined,
    'not waited for our replies',
  ],
  ['who sends the message with DATA', [[ehlo], [mail, rcpt], ['DATA', text]], undefined, 'its message before 354'],
];

for (const [what, talk, early, why] of table) {
  test(`${what} ${why === '' ? 'is served' : 'is rejected, and the mail kept'}`, async (t) => {
    const mx = await start(t, 'earlytalker delay=1s');
    const reply = await say(mx, talk, early === undefined ? {} : { early });
    if (why === '') {
      assert.match(reply, /^250 /);
      assert.equal(mx.archived().length, 0);
      return;
    }
    assert.match(
      reply,
      new RegExp(`^550 5\\.7\\.1 The client has .*${why} \\(RFC 5321 section 4\\.3\\.1\\) \\(\\w{14}\\)$`),
    );
    assert.equal(mx.archived().length, 1);
    assert.equal(mx.index()[0]?.['plugin'], 'earlytalker');
    assert.equal(mx.delivered().length, 0);
  });
}

test('a stranger is not greeted before the delay is over', async (t) => {
  const mx = await start(t, 'earlytalker delay=2s', { settings: ['plugin_timeout=1s'] });
  const since = performance.now();
  const client = await RawClient.open({ port: mx.port });
  assert.ok(performance.now() - since > 1_900);
  assert.match(client.replies[0] ?? '', /^220 /);
  assert.equal(mx.log.filter(({ level }) => level === 50).length, 0, 'no limit of time is met');
  client.end();
});

const zone = {
  '1.2.0.192.in-addr.arpa': { PTR: ['out.sender.example'] },
  '2.2.0.192.in-addr.arpa': { PTR: ['out.sender.example'] },
  '3.2.0.192.in-addr.arpa': { PTR: ['out.sender.example'] },
  'out.sender.example': { A: ['192.0.2.1', '192.0.2.2'] },
};

test('a mail that was relayed vouches for its address, and for its confirmed name, and for nobody else', async (t) => {
  const mx = await start(t, 'earlytalker delay=1s', {
    zone,
    markers: ['_global_/whitelisted/ips/127.0.0.1'],
    settings: ['xclient_networks=loopback'],
  });
  const sendFrom = (address: string): Promise<string> =>
    say(mx, [['EHLO proxy.example'], [`XCLIENT ADDR=${address}`], ...patient]);
  const waited = async (address: string): Promise<boolean> => {
    const earlier = delays(mx);
    assert.match(await sendFrom(address), /^250 /);
    return delays(mx) > earlier;
  };
  assert.equal(await waited('192.0.2.1'), true);
  assert.equal(await waited('192.0.2.1'), false);
  assert.equal(await waited('192.0.2.2'), false, 'another address of that name');
  assert.equal(await waited('192.0.2.3'), true, 'one whose name is not confirmed');
  assert.equal(await waited('IPv6:2001:db8::1'), true);
  assert.equal(await waited('IPv6:2001:db8::2'), false, 'the same /64');
  assert.equal(await waited('IPv6:2001:db8:0:1::1'), true, 'another /64');
});

test('a mail that was rejected vouches for nobody, and neither does one that a whitelist has let through', async (t) => {
  const mx = await start(t, 'earlytalker delay=1s', {
    markers: ['friendly.example/whitelisted/senders/sender@sender.example'],
  });
  const hasty = (domain: string): Talk => [['HELO c'], [mail, `RCPT TO:<alice@${domain}>`], ['DATA'], [text]];
  assert.match(await say(mx, hasty('example.com')), /^550 /);
  assert.match(await say(mx, hasty('friendly.example')), /^250 /);
  await say(mx, [[ehlo]]);
  assert.equal(delays(mx), 3);
});

test('clients in _global_/whitelisted/ips and in relay_networks are greeted at once', async (t) => {
  const mx = await start(t, 'earlytalker delay=6s', {
    markers: ['_global_/whitelisted/ips/127.0.0.1'],
    settings: ['relay_networks=127.0.0.2'],
  });
  await say(mx, [[ehlo]]);
  await say(mx, [[ehlo]], { from: '127.0.0.2' });
  assert.equal(delays(mx), 0);
});

test('with action=defer the mail is put off, not kept; a whitelist pardons it', async (t) => {
  const mx = await start(t, 'earlytalker delay=1s action=defer', {
    markers: ['friendly.example/whitelisted/senders/sender@sender.example'],
  });
  const hasty = (domain: string): Talk => [['HELO c'], [mail, `RCPT TO:<alice@${domain}>`], ['DATA'], [text]];
  assert.match(await say(mx, hasty('example.com')), /^451 4\.7\.1 The client has not waited .*, try again later$/);
  assert.equal(mx.archived().length, 0);
  assert.match(await say(mx, hasty('friendly.example')), /^250 /);
});

test('what is said too early in one connection does not count in another', async (t) => {
  const mx = await start(t, 'earlytalker delay=1s');
  assert.match(await say(mx, [['HELO c', mail], [rcpt], ['DATA'], [text]]), /^550 /);
  assert.match(await say(mx, patient), /^250 /);
});

test('a client that waits and goes away is forgotten; the others are greeted', async (t) => {
  const mx = await start(t, 'earlytalker delay=6s');
  const hasty = Array.from({ length: 20 }, () => RawClient.connect({ port: mx.port }));
  await until(() => delays(mx) === 20, 'all wait');
  for (const client of hasty) client.end();
  await until(() => mx.listener.connections.size === 0, 'all are gone, long before their greeting was due');
});

test('what a client floods us with before its greeting stays where it is', async (t) => {
  const mx = await start(t, 'earlytalker delay=6s');
  const client = RawClient.connect({ port: mx.port });
  await until(() => delays(mx) === 1, 'it waits');
  client.write(Buffer.alloc(64 << 20, 'NOOP\r\n'));
  assert.equal(await client.drained(1_000), false);
  client.end();
});

test('at a stop whoever waits is told so at once', async (t) => {
  const mx = await start(t, 'earlytalker delay=6s');
  const client = RawClient.connect({ port: mx.port });
  await until(() => delays(mx) === 1, 'it waits');
  const stopped = mx.listener.stop(60_000);
  assert.match(await client.reply(), /^421 4\.3\.2 /);
  client.end();
  await stopped;
});

test('swaks waits, and is known then', async (t) => {
  if (!needPeer(t, 'swaks')) return;
  const mx = await start(t, 'earlytalker delay=1s');
  for (const words of [[], ['--pipeline'], ['--protocol', 'SMTP']]) {
    const argv = ['--server', '127.0.0.1', '--port', String(mx.port), '--to', 'alice@example.com', ...words];
    const swaks = spawn('swaks', [...argv, '--from', 'sender@sender.example'], { stdio: 'ignore' });
    assert.equal(await new Promise((resolve) => swaks.once('close', resolve)), 0, words.join(' '));
  }
  assert.equal(mx.delivered().length, 3);
  assert.equal(delays(mx), 1);
});

/** [arguments, what is said of them] */
for (const [args, right] of [
  [['delay=500ms'], /delay must be a time from 1s to 6s/],
  [['delay=7s'], /delay must be a time from 1s to 6s/],
  [['action=drop'], /action must be reject or defer/],
  [['x=1'], /the arguments are delay=, action=, life=/],
] as const)
  test(`a bad argument is named: ${args.join(' ')}`, () => assert.throws(() => earlytalker(args), right));
