/** Replies that a plugin has held back: when they come, what goes on meanwhile, and what does not. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { message, Mx } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';
import { until } from '../support/until.js';

/** What each plugin wants at which hook, in milliseconds. */
const wanted: Record<'first' | 'second', Record<string, number>> = { first: {}, second: {} };
Object.assign(globalThis, { posternWanted: wanted });
const hooks = ['connect', 'helo', 'mail', 'rcpt', 'data', 'dataPost', 'queue', 'unknownCommand'];
const plugin = (name: string): string => `
const hook = (at) => () => {
  const ms = globalThis.posternWanted.${name}[at];
  return ms === undefined ? { kind: 'pass' } : { kind: 'delay', ms, log: 'as the test wants' };
};
export default { name: '${name}', ${hooks.map((hook) => `${hook}: hook('${hook}')`).join(', ')} };
`;

const folder = mkdtempSync(join(tmpdir(), 'postern-delays-'));
let mx: Mx;
before(async () => {
  for (const name of ['first', 'second']) writeFileSync(join(folder, `${name}.mjs`), plugin(name));
  mx = await Mx.start({
    markers: ['example.com/users/valid/alice'],
    settings: [`plugin_dirs=${folder}`, 'journal=0', 'xclient_networks=loopback'],
    plugins: ['first', 'valid_users', 'second'],
  });
});
after(async () => {
  await mx?.close();
  rmSync(folder, { recursive: true });
});

function want(first: Record<string, number>, second: Record<string, number> = {}): void {
  wanted.first = first;
  wanted.second = second;
}

const lines = ['EHLO c', 'MAIL FROM:<a@sender.example>', 'RCPT TO:<alice@example.com>', 'DATA', `${message()}\r\n.`];

/** How long after the line its reply came, in milliseconds, by the first word of the line. */
async function waits(): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  let since = performance.now();
  const client = await RawClient.open({ port: mx.port });
  found['connect'] = performance.now() - since;
  for (const line of ['FOO', ...lines]) {
    since = performance.now();
    assert.match(await client.say(line), line === 'FOO' ? /^500 / : line === 'DATA' ? /^354 / : /^250[ -]/);
    found[line.split(' ')[0] ?? ''] = performance.now() - since;
  }
  client.end();
  return found;
}

test('each reply before the message comes as late as the plugin wants, and none after it', async () => {
  const ms = 300;
  want(Object.fromEntries(hooks.map((hook) => [hook, ms])));
  const { FOO, ...found } = await waits();
  assert.ok((FOO ?? 0) > ms - 20);
  for (const at of ['connect', 'EHLO', 'MAIL', 'RCPT', 'DATA']) assert.ok((found[at] ?? 0) > ms - 20, at);
  want({ dataPost: 60_000, queue: 60_000 });
  await waits(); // the reply to the message would not come in time
});

test('the longest delay counts, once', async () => {
  want({ helo: 200 }, { helo: 400 });
  const client = await RawClient.open({ port: mx.port });
  const since = performance.now();
  await client.say('EHLO c');
  assert.ok(performance.now() - since > 380);
  client.end();
});

test('commands that come meanwhile are answered in order, behind the reply', async () => {
  want({ rcpt: 200 });
  const client = await RawClient.open({ port: mx.port });
  await client.sayAll(...lines.slice(0, 2));
  client.write(`${lines[2]}\r\n${lines[2]}\r\nRSET\r\nFOO\r\nQUIT\r\n`);
  const replies = await client.hear(5);
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 9)),
    ['250 2.1.5', '250 2.1.5', '250 2.0.0', '500 5.5.2', '221 2.0.0'],
  );
  client.end();
});

test('a client that goes away meanwhile is gone at once', async () => {
  for (const leave of ['end', 'finish', 'reset'] as const) {
    mx.forget();
    want({ mail: 60_000 });
    const client = await RawClient.open({ port: mx.port });
    await client.say(lines[0] ?? '');
    client.write(`${lines[1]}\r\n`);
    await until(() => mx.log.some(({ msg, hook }) => msg === 'delay' && hook === 'mail'), 'it waits');
    const since = performance.now();
    client[leave]();
    await until(() => mx.listener.connections.size === 0, 'it is gone');
    // Far less than the delay, on any machine.
    assert.ok(performance.now() - since < 45_000, leave);
    client.end();
  }
});

test('the greeting behind XCLIENT is held back as the first one is', async () => {
  want({ connect: 300 });
  const client = await RawClient.open({ port: mx.port });
  await client.say('EHLO proxy.example');
  const since = performance.now();
  assert.match(await client.say('XCLIENT ADDR=192.0.2.1'), /^220 /);
  assert.ok(performance.now() - since > 280);
  client.end();
});

for (const ms of [-1, 60_001, NaN, Infinity, '1', undefined])
  test(`a delay of ${String(ms)} ms is a mistake, which defers and is told in the author's words`, async () => {
    mx.forget();
    want({ helo: ms as number });
    if (ms === undefined) wanted.first = { helo: null as unknown as number };
    const client = await RawClient.open({ port: mx.port });
    assert.match(await client.say('EHLO c'), /^451 4\.3\.0 /);
    client.end();
    assert.ok(
      mx.log.some(({ why }) =>
        /first: helo returned a delay whose ms is .*, not a number from 0 to 60000/.test(String(why)),
      ),
    );
  });
