/** A plugin says where a mail goes: the verdict `route`. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { ScriptedMta } from '../relay/support/scripted-mta.js';
import { usual } from '../relay/support/with-relay.js';
import { Mx } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

/** What the plugin answers, by hook, and at rcpt by recipient. */
const routes: Record<string, unknown> = {};
Object.assign(globalThis, { posternRoutes: routes });
const plugin = `
const answer = (key) => {
  const route = globalThis.posternRoutes[key];
  return typeof route === 'string' ? { kind: 'route', to: route, log: 'by the test' } : (route ?? { kind: 'pass' });
};
export default {
  name: 'router',
  mail: () => answer('mail'),
  rcpt: ({ recipient }) => answer(recipient.localPart),
  dataPost: () => answer('dataPost'),
  queue: () => answer('queue'),
};
`;

const folder = mkdtempSync(join(tmpdir(), 'postern-route-'));
let main: ScriptedMta;
let other: ScriptedMta;
let mx: Mx;
before(async () => {
  writeFileSync(join(folder, 'router.mjs'), plugin);
  [main, other] = await Promise.all([
    ScriptedMta.start({ extensions: usual }),
    ScriptedMta.start({ extensions: usual }),
  ]);
  mx = await Mx.start({
    relayPort: main.port,
    markers: ['alice', 'bob', 'carol'].map((name) => `example.com/users/valid/${name}`),
    settings: [`plugin_dirs=${folder}`],
    plugins: ['valid_users', 'router'],
  });
});
beforeEach(() => {
  for (const key of Object.keys(routes)) delete routes[key];
  for (const mta of [main, other]) mta.messages.length = 0;
  mx.forget();
});
after(async () => {
  await mx?.close();
  await Promise.all([main, other].map((mta) => mta?.stop()));
  rmSync(folder, { recursive: true });
});

const at = (mta: ScriptedMta): string => `127.0.0.1:${mta.port}`;
const counts = (): readonly number[] => [main, other].map(({ messages }) => messages.length);

for (const hook of ['mail', 'alice', 'dataPost', 'queue'])
  test(`a route said at ${hook === 'alice' ? 'rcpt' : hook} is taken, and told in journal and log`, async () => {
    routes[hook] = at(other);
    assert.match(await mx.send(), /^250 /);
    assert.deepEqual(counts(), [0, 1]);
    assert.equal(mx.fates()[0]?.['destination'], at(other));
    delete routes[hook];
    assert.match(await mx.send(), /^250 /);
    assert.deepEqual(counts(), [1, 1]);
  });

test('the last route counts', async () => {
  routes['mail'] = '127.0.0.1:1';
  routes['alice'] = '127.0.0.1:1';
  routes['queue'] = at(other);
  assert.match(await mx.send(), /^250 /);
  assert.deepEqual(counts(), [0, 1]);
});

test('of several destinations the next is tried', async () => {
  routes['queue'] = `127.0.0.1:1; ${at(other)}`;
  assert.match(await mx.send(), /^250 /);
  assert.deepEqual(counts(), [0, 1]);
});

test('a recipient that goes another way comes in a mail of its own', async () => {
  routes['bob'] = at(other);
  const client = await RawClient.open({ port: mx.port });
  await client.sayAll('EHLO a', 'MAIL FROM:<a@s.example>');
  assert.match(await client.say('RCPT TO:<alice@example.com>'), /^250 /);
  assert.match(await client.say('RCPT TO:<bob@example.com>'), /^452 4\.5\.3 /);
  assert.match(await client.say('RCPT TO:<carol@example.com>'), /^250 /);
  await client.sayAll('RSET', 'MAIL FROM:<a@s.example>');
  assert.match(await client.say('RCPT TO:<bob@example.com>'), /^250 /);
  assert.match(await client.say('RCPT TO:<alice@example.com>'), /^452 4\.5\.3 /);
  await client.say('DATA');
  assert.match(await client.say('Subject: x\r\n\r\nx\r\n.'), /^250 /);
  client.end();
  assert.deepEqual(counts(), [0, 1]);
  assert.deepEqual(other.messages[0]?.to, ['RCPT TO:<bob@example.com>']);
});

test('two recipients on their way to LMTP come in two mails, and what is sent there later on all the same is deferred', async () => {
  routes['alice'] = routes['bob'] = `lmtp:${at(other)}`;
  const replies = await mx.say(
    'EHLO a',
    'MAIL FROM:<a@s.example>',
    'RCPT TO:<alice@example.com>',
    'RCPT TO:<bob@example.com>',
  );
  assert.match(replies.slice(2).join('|'), /^250 .*\|452 4\.5\.3 /);
  for (const name of ['alice', 'bob']) delete routes[name];
  routes['queue'] = `lmtp:${at(other)}`;
  assert.match(await mx.send({ to: ['alice@example.com', 'bob@example.com'] }), /^451 4\.3\.0 /);
  assert.match(String(mx.fates()[0]?.['reason']), /takes one recipient a mail: alice@example\.com, bob@example\.com$/);
});

test('a recipient that a plugin puts in goes its own way', async () => {
  routes['bob'] = at(other);
  routes['dataPost'] = { kind: 'rewrite', recipients: ['bob@example.com'], log: 'by the test' };
  assert.match(await mx.send(), /^250 /);
  assert.deepEqual(counts(), [0, 1]);
  assert.deepEqual(other.messages[0]?.to, ['RCPT TO:<bob@example.com>']);

  routes['dataPost'] = { kind: 'rewrite', recipients: ['alice@example.com', 'bob@example.com'], log: 'by the test' };
  assert.match(await mx.send(), /^451 4\.3\.0 /);
  assert.match(String(mx.fates().at(-1)?.['reason']), /belong to different destinations: alice@.*, bob@/);

  routes['queue'] = at(main);
  assert.match(await mx.send(), /^250 /);
  assert.deepEqual(counts(), [1, 1]);
});

test('a destination that is down defers', async () => {
  routes['queue'] = '127.0.0.1:1';
  assert.match(await mx.send(), /^451 4\.4\.1 /);
  assert.deepEqual(counts(), [0, 0]);
});

/** [what, the route] */
const wrong: readonly (readonly [what: string, to: unknown])[] = [
  ['nothing', ''],
  ['a sentence', 'over there'],
  ['a number', 25],
  ['words of a transport map', 'smtp:[mx.example.net]'],
];
for (const [what, to] of wrong)
  test(`a route that is ${what} defers, and its author is told`, async () => {
    routes['queue'] = { kind: 'route', to, log: 'x' };
    assert.match(await mx.send(), /^451 4\.3\.0 /);
    assert.ok(mx.log.some(({ why }) => /^router: queue returned a route whose to is /.test(String(why))));
    assert.deepEqual(counts(), [0, 0]);
  });
