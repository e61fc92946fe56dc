/**
 * The hooks of a plugin through the socket: when each is called, what it sees, and what its verdicts do to the session.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { Mx, message } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

interface Spy {
  /** What the hooks saw, in order. */
  readonly seen: string[];
  /** By hook, what it answers: a verdict, a promise of one, or a throw. */
  answers: Record<string, () => unknown>;
}

const spy: Spy = { seen: [], answers: {} };
Object.assign(globalThis, { posternSpy: spy });

const plugin = `
const spy = globalThis.posternSpy;
const hook = (name, what) => (context) => {
  spy.seen.push([name, what(context)].join(' ').trim());
  return spy.answers[name]?.() ?? { kind: 'pass' };
};
export default {
  name: 'spy',
  connect: hook('connect', ({ session }) => session.clientIp.text + ' ' + session.helo),
  helo: hook('helo', ({ session }) => session.helo),
  mail: hook('mail', ({ reversePath, senderDomain }) => reversePath + ' ' + senderDomain),
  rcpt: hook('rcpt', ({ recipient }) => recipient.text),
  data: hook('data', ({ recipients }) => recipients.map((r) => r.text) + ''),
  dataPost: hook('dataPost', ({ recipients, header, message }) => recipients.map((r) => r.text) + ' ' + header.get('subject') + ' ' + (message.size > 0)),
  queue: hook('queue', ({ domain }) => domain),
  unknownCommand: hook('unknownCommand', ({ command, session }) => command + ' ' + session.unknownCommands),
  relayed: hook('relayed', ({ recipients, answer }) => recipients.map((r) => r.text) + ' ' + answer.split(' ')[0]),
  reset: hook('reset', ({ reversePath }) => reversePath),
  disconnect: hook('disconnect', ({ session }) => session.helo),
};
`;

const folder = mkdtempSync(join(tmpdir(), 'postern-hooks-'));
let mx: Mx;
before(async () => {
  writeFileSync(join(folder, 'spy.mjs'), plugin);
  mx = await Mx.start({
    markers: ['example.com/users/valid/alice', 'example.com/users/valid/bob'],
    settings: [`plugin_dirs=${folder}`, 'plugin_timeout=2s', 'relay_networks=127.0.0.20/32'],
    plugins: ['spy', 'valid_users'],
  });
});
beforeEach(async () => {
  spy.answers = {};
  while (mx.listener.connections.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setImmediate(resolve));
  spy.seen.splice(0);
});
after(async () => {
  await mx?.close();
  rmSync(folder, { recursive: true });
});

const disconnected = async (): Promise<void> => {
  const end = Date.now() + 3000;
  while (!spy.seen.some((line) => line.startsWith('disconnect')) && Date.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 5));
};

test('each hook is called at its moment, in order, and sees what is known by then', async () => {
  const client = await RawClient.open({ port: mx.port });
  await client.sayAll(
    'EHLO client.example',
    'XYZZY now',
    'MAIL FROM:<A@Sender.Example>',
    'RCPT TO:<alice@example.com>',
    'RCPT TO:<bob@example.com>',
    'RCPT TO:<x@elsewhere.example>',
    'DATA',
  );
  assert.match(await client.say(`${message()}\r\n.`), /^250 /);
  await client.say('QUIT');
  client.end();
  await disconnected();
  assert.deepEqual(spy.seen, [
    'connect 127.0.0.1',
    'helo client.example',
    'unknownCommand XYZZY now 1',
    'mail A@sender.example sender.example',
    'rcpt alice@example.com',
    'rcpt bob@example.com',
    'data alice@example.com,bob@example.com',
    'dataPost alice@example.com,bob@example.com test true',
    'queue example.com',
    'relayed alice@example.com,bob@example.com Ok:',
    'reset A@sender.example',
    'disconnect client.example',
  ]);
});

test('a rejected mail never reaches the hook queue', async () => {
  assert.match(await mx.send({ to: 'nobody@example.com' }), /^550 5\.1\.1 /);
  assert.ok(!spy.seen.some((line) => line.startsWith('queue')));
});

test('a client in relay_networks meets no hook', async () => {
  const client = await RawClient.open({ port: mx.port, from: '127.0.0.20' });
  await client.sayAll('EHLO inside.example', 'MAIL FROM:<a@inside.example>', 'RCPT TO:<x@elsewhere.example>', 'DATA');
  assert.match(await client.say(`${message()}\r\n.`), /^250 /);
  client.end();
  await disconnected();
  assert.deepEqual(spy.seen, ['disconnect inside.example']);
});

const refuse = {
  kind: 'refuse',
  reply: { code: 554, enhanced: '5.7.1', text: 'No, by the spy', close: false },
  log: 'told so',
};
const defer = {
  kind: 'defer',
  reply: { code: 450, enhanced: '4.7.1', text: 'Later, says the spy', close: false },
  log: 'told so',
};
const steps = [
  'EHLO client.example',
  'MAIL FROM:<a@sender.example>',
  'RCPT TO:<alice@example.com>',
  'DATA',
  `${message()}\r\n.`,
];

/** [hook, how many steps are answered well before it speaks] */
const stops: readonly [hook: string, before: number][] = [
  ['helo', 0],
  ['mail', 1],
  ['rcpt', 2],
  ['dataPost', 4],
  ['queue', 4],
];
for (const [hook, stepsBefore] of stops) {
  for (const [what, verdict, answer] of [
    ['refuse', () => refuse, '554 5.7.1 No, by the spy'],
    ['defer', () => defer, '450 4.7.1 Later, says the spy'],
    [
      'a throw',
      () => {
        throw new Error('spy broke');
      },
      '451 4.3.0 Temporary local problem, try again later',
    ],
    [
      'a rejected promise',
      () => Promise.reject(new Error('spy broke')),
      '451 4.3.0 Temporary local problem, try again later',
    ],
    ['no answer in time', () => new Promise(() => {}), '451 4.3.0 Temporary local problem, try again later'],
    ['nonsense', () => ({ kind: 'maybe' }), '451 4.3.0 Temporary local problem, try again later'],
  ] as const) {
    test(`${what} of hook ${hook} is the reply, nothing is delivered or archived, and the session goes on`, async () => {
      const [delivered, archived] = [mx.delivered().length, mx.archived().length];
      spy.answers = { [hook]: verdict };
      const client = await RawClient.open({ port: mx.port });
      for (const step of steps.slice(0, stepsBefore)) assert.match(await client.say(step), /^[23]/);
      assert.equal(await client.say(steps[stepsBefore] ?? ''), answer);
      spy.answers = {};
      assert.match(await client.sayAll('RSET', ...steps), /^250 /);
      client.end();
      assert.deepEqual([mx.delivered().length, mx.archived().length], [delivered + 1, archived]);
    });
  }
}

test('refuse of hook connect takes the greeting’s place, and ends the session', async () => {
  spy.answers = { connect: () => refuse };
  const client = await RawClient.open({ port: mx.port });
  assert.equal(client.replies[0], '554 5.7.1 No, by the spy');
  assert.ok(await client.hungUp());
  client.end();
});

test('defer of hook connect does so with its 4xx', async () => {
  spy.answers = { connect: () => defer };
  const client = await RawClient.open({ port: mx.port });
  assert.equal(client.replies[0], '450 4.7.1 Later, says the spy');
  assert.ok(await client.hungUp());
  client.end();
});

test('reject of hook mail, rcpt or dataPost: the mail is read, archived, and answered 550 with its ID', async () => {
  for (const hook of ['mail', 'rcpt', 'dataPost']) {
    const archived = mx.archived().length;
    spy.answers = {
      [hook]: () => ({ kind: 'reject', reason: `not by ${hook}`, enhanced: '5.7.1', log: 'told so', about: 'mail' }),
    };
    const reply = await mx.send();
    assert.match(reply, new RegExp(`^550 5\\.7\\.1 not by ${hook} \\([0-9A-Z]{14}\\)$`));
    assert.equal(mx.archived().length, archived + 1);
  }
});

test('a verdict of hook unknownCommand is the reply to that command', async () => {
  spy.answers = { unknownCommand: () => ({ ...refuse, reply: { ...refuse.reply, code: 421, close: true } }) };
  const client = await RawClient.open({ port: mx.port });
  assert.equal(await client.say('XYZZY'), '421 5.7.1 No, by the spy');
  assert.ok(await client.hungUp());
  client.end();
});

test('a throw in hook disconnect hurts nobody, and the log says whose it was', async () => {
  mx.forget();
  spy.answers = {
    disconnect: () => {
      throw new Error('spy broke');
    },
  };
  assert.match(await mx.send(), /^250 /);
  await disconnected();
  await new Promise((resolve) => setImmediate(resolve));
  const [told] = mx.log.filter(({ level }) => level === 50);
  assert.deepEqual([told?.['plugin'], told?.['hook'], told?.['why']], ['spy', 'disconnect', 'spy broke']);
  spy.answers = {};
  assert.match(await mx.send(), /^250 /);
});

test('what a plugin says to the client is one line of printable ASCII, whatever it holds', async () => {
  spy.answers = { mail: () => ({ ...refuse, reply: { ...refuse.reply, text: 'a\r\n250 b\x1b[2J\u202e\u00e9' } }) };
  const client = await RawClient.open({ port: mx.port });
  await client.say('EHLO client.example');
  const reply = await client.say('MAIL FROM:<a@sender.example>');
  assert.match(reply, /^554 5\.7\.1 [ -~]*$/);
  assert.equal(client.replies.length, 3);
  client.end();
});

test('reject of hook connect or helo holds for each mail of the session; another HELO is judged anew', async () => {
  const rejects = (hook: string) => () => ({
    kind: 'reject',
    reason: `not by ${hook}`,
    enhanced: '5.7.1',
    log: 'told so',
    about: 'mail',
  });
  spy.answers = { helo: rejects('helo') };
  const client = await RawClient.open({ port: mx.port });
  assert.match(await client.sayAll(...steps), /^550 5\.7\.1 not by helo \(/);
  assert.match(await client.sayAll(...steps.slice(1)), /^550 5\.7\.1 not by helo \(/);
  spy.answers = {};
  assert.match(await client.sayAll(...steps), /^250 /);
  client.end();
  spy.answers = { connect: rejects('connect') };
  assert.match(await mx.send(), /^550 5\.7\.1 not by connect \(/);
  assert.match(await mx.send({ to: 'postmaster' }), /^250 /);
});

test('pardon of hook connect lifts what is found later', async () => {
  spy.answers = {
    connect: () => ({ kind: 'pardon', lifts: 'mail', log: 'friend' }),
    dataPost: () => ({ kind: 'reject', reason: 'bad', enhanced: '5.7.1', log: 'told so', about: 'mail' }),
  };
  assert.match(await mx.send(), /^250 /);
});

test('reset is called once a transaction, however it ends', async () => {
  await mx.say('EHLO a', 'MAIL FROM:<one@s.example>', 'RSET', 'RSET', 'MAIL FROM:<two@s.example>', 'EHLO b', 'QUIT');
  spy.answers = {
    mail: () => ({ kind: 'defer', reply: { code: 451, enhanced: '4.7.1', text: 'no', close: false }, log: 'x' }),
  };
  await mx.say('EHLO a', 'MAIL FROM:<three@s.example>', 'QUIT');
  spy.answers = {};
  await mx.send({ from: 'four@s.example' });
  await mx.say('EHLO a', 'MAIL FROM:<five@s.example>');
  while (mx.listener.connections.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const resets = spy.seen.filter((one) => one.startsWith('reset'));
  assert.deepEqual(
    resets,
    ['one', 'two', 'three', 'four', 'five'].map((name) => `reset ${name}@s.example`),
  );
});

test('a plugin rewrites what is relayed, and a later one more of it', async () => {
  const body = Buffer.from('Other.\r\n');
  spy.answers = {
    dataPost: () => ({ kind: 'rewrite', recipients: ['bob@example.com', 'eve@elsewhere.example'], log: 'x' }),
    queue: () => ({ kind: 'rewrite', reversePath: 'srs@example.com', body, log: 'x' }),
  };
  mx.forget();
  assert.match(await mx.send(), /^250 /);
  const [relayed = '', ...others] = mx.delivered();
  assert.equal(others.length, 0);
  assert.match(relayed, /^Return-Path: <srs@example\.com>\r\nX-Original-To: bob@example\.com\r\n/);
  assert.ok(relayed.endsWith('\r\n\r\nOther.\r\n'));
  const left = mx.log.find(({ recipient }) => recipient === 'eve@elsewhere.example');
  assert.equal(left?.['why'], 'not hosted, and the line of the list has no "anywhere"');
});

test('a plugin discards: archived, and told 250', async () => {
  const verdict = { kind: 'reject', about: 'mail', enhanced: '5.7.1', reason: 'gone', log: 'x', discards: true };
  spy.answers = { dataPost: () => verdict };
  const earlier = mx.archived().length;
  mx.forget();
  assert.match(await mx.send(), /^250 2\.0\.0 Ok \([0-9A-Z]{14}\)$/);
  assert.deepEqual([mx.delivered().length, mx.archived().length - earlier], [0, 1]);
});

test('the level trace has all that the level debug has: each plugin that was asked, and what is off', async (t) => {
  const saidAt = async (level: string): Promise<readonly unknown[]> => {
    const other = await Mx.start({
      markers: ['example.com/users/valid/alice'],
      settings: [`log_level=${level}`],
      plugins: ['valid_users', 'helo'],
    });
    t.after(() => other.close());
    assert.match(await other.send(), /^250 /);
    return other.log.flatMap((line) => ('hook' in line ? [`${String(line['plugin'])} ${String(line['msg'])}`] : []));
  };
  assert.deepEqual(await saidAt('trace'), ['valid_users pass', 'helo skip']);
  assert.deepEqual(await saidAt('debug'), ['valid_users pass', 'helo skip']);
  assert.deepEqual(await saidAt('info'), []);
});
