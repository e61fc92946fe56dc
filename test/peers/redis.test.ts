/** The store in a real Redis: its contract, two hosts that share it, and a server that dies, hangs and comes back. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { Redis } from '../../src/store/redis.js';
import { BackedStore } from '../../src/store/store.js';
import { storeContract } from '../store/support/contract.js';
import { Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { addressOf, RedisServer } from '../support/redis.js';
import { patience } from '../support/until.js';
import { wayTo } from '../support/way-to.js';

test('Redis keeps the contract of stores', async (t) => {
  if (!needPeer(t, 'redis-server')) return;
  const server = await RedisServer.start();
  const store = new BackedStore(new Redis({ address: addressOf(server.url), timeoutMs: 10_000 }));
  try {
    await storeContract(t, store);
  } finally {
    await store.close();
    await server.kill();
  }
});

const markers = ['example.com/users/valid/alice', 'example.com/checks/greylisting'];
const plugins = ['valid_users', 'ratelimit client=1000/1h', 'greylisting delay=2s'];

test('two hosts share what they know, and no mail is lost or let in while the server is down', async (t) => {
  if (!needPeer(t, 'redis-server')) return;
  const server = await RedisServer.start();
  const options = { markers, plugins, settings: ['xclient_networks=loopback', `store=${server.url}`] };
  const [one, other] = await Promise.all([Mx.start(options), Mx.start(options)]);
  const strict = await Mx.start({ ...options, settings: [...options.settings, 'store_down=defer'] });
  const send = (mx: Mx, from: string): Promise<string> => mx.send({ from, xclient: 'ADDR=192.0.2.1' });
  /** Until the store answers again; each try is a sender of its own. */
  const backAt = async (mx: Mx): Promise<void> => {
    for (const late = Date.now() + patience; Date.now() < late; await sleep(100))
      if ((await send(mx, `x@${randomUUID()}.example`)).startsWith('450')) return;
    throw new Error('the store did not come back');
  };
  try {
    assert.match(await send(one, 'a@sender.example'), /^450 4\.7\.1 Greylisted/);
    assert.match(await send(other, 'a@sender.example'), /^450 4\.7\.1 Greylisted/);
    await sleep(2100);
    assert.match(await send(other, 'a@sender.example'), /^250 /);
    assert.match(await send(one, 'a@sender.example'), /^250 /);

    await server.kill();
    assert.match(await send(one, 'b@sender.example'), /^250 /);
    assert.match(await send(strict, 'b@sender.example'), /^451 4\.7\.1 Temporary local problem/);
    assert.ok(
      one.log.some(({ msg, level }) => msg === 'store' && level === 40),
      'no warning',
    );

    await server.restart();
    await Promise.all([backAt(one), backAt(strict)]);
    assert.ok(one.log.some(({ msg }) => msg === 'store: connected'));

    server.hang();
    assert.match(await send(one, 'c@sender.example'), /^250 /);
    assert.match(await send(strict, 'c@sender.example'), /^451 /);
    server.resume();
    await Promise.all([backAt(one), backAt(strict)]);
  } finally {
    server.resume();
    await Promise.all([one.close(), other.close(), strict.close()]);
    await server.kill();
  }
});

test('while packets to the server are dropped, or trickle, no mail waits for long; then the store is back', async (t) => {
  if (!needPeer(t, 'redis-server')) return;
  const server = await RedisServer.start();
  t.after(() => server.end());
  const way = await wayTo(server.port, t);
  const settings = ['xclient_networks=loopback', `store=${server.url.replace(`:${server.port}/`, `:${way.port}/`)}`];
  const mx = await Mx.start({ markers, plugins, settings });
  t.after(() => mx.close());
  const send = (): Promise<string> => mx.send({ from: `x@${randomUUID()}.example`, xclient: 'ADDR=192.0.2.1' });
  const greylisted = async (): Promise<void> => {
    for (const late = Date.now() + patience; !(await send()).startsWith('450'); await sleep(100))
      assert.ok(Date.now() < late, 'the store did not come back');
  };
  await greylisted();
  for (const state of ['silent', 'cut', 'slow'] as const) {
    way.state = state;
    for (let i = 0; i < 5; i++) assert.match(await send(), state === 'slow' ? /^(?:250|450) / : /^250 /, state);
    way.state = 'open';
    await greylisted();
  }
});

test('a server that is no Redis is a store that is down', async () => {
  const http = await import('node:http').then(({ createServer }) => createServer((_, response) => response.end('x')));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as { port: number };
  const store = new BackedStore(new Redis({ address: addressOf(`redis://127.0.0.1:${port}`), timeoutMs: 300 }));
  try {
    for (let i = 0; i < 3; i++) assert.equal((await store.claim('a', 'b', 1000)).ok, false);
  } finally {
    await store.close();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  }
});

test('nonsense in the server is as a server that is down', async (t) => {
  if (!needPeer(t, 'redis-server')) return;
  const server = await RedisServer.start();
  const options = {
    markers,
    plugins,
    settings: ['xclient_networks=loopback', `store=${server.url}`, 'store_down=defer'],
  };
  const mx = await Mx.start(options);
  const client = createClient({ url: server.url });
  try {
    await client.connect();
    assert.match(await mx.send({ xclient: 'ADDR=192.0.2.1' }), /^450 4\.7\.1 Greylisted/);
    const keys = await client.keys('postern:*');
    assert.equal(keys.length, 2, keys.join());
    for (const key of keys) await client.set(key, 'nonsense');
    assert.match(await mx.send({ xclient: 'ADDR=192.0.2.1' }), /^451 4\.7\.1 Temporary local problem/);
    for (const key of keys) await client.del(key);
    for (const key of keys) await client.lPush(key, 'a list');
    assert.match(await mx.send({ xclient: 'ADDR=192.0.2.1' }), /^451 4\.7\.1 Temporary local problem/);
  } finally {
    client.destroy();
    await mx.close();
    await server.kill();
  }
});
