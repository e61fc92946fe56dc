/** The store in several servers: some that sentinels watch, and a cluster. The master dies under traffic. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from '../../src/store/redis.js';
import { BackedStore, type Store } from '../../src/store/store.js';
import { postern } from '../cli/support/postern-command.js';
import { storeContract } from '../store/support/contract.js';
import { filesBelow } from '../support/files-below.js';
import { Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { addressOf, RedisCluster, type RedisServer, WatchedRedis } from '../support/redis.js';
import { patience, until } from '../support/until.js';

const storeAt = (url: string): BackedStore =>
  new BackedStore(new Redis({ address: addressOf(url), timeoutMs: 10_000 }));

/** So many hosts, one store. */
async function hostsAt(t: TestContext, url: string): Promise<readonly Mx[]> {
  const hosts = await Promise.all(
    [1, 2].map(() =>
      Mx.start({
        markers: ['example.com/users/valid/alice', 'example.com/checks/greylisting'],
        plugins: ['valid_users', 'ratelimit client=100000/1h', 'greylisting delay=1s'],
        settings: ['xclient_networks=loopback', `store=${url}`],
      }),
    ),
  );
  t.after(() => Promise.all(hosts.map((host) => host.close())));
  return hosts;
}

interface Traffic {
  readonly replies: readonly string[];
  /** The last replies of each host were that the mail is greylisted. */
  isGreylistedByAll(): boolean;
  stop(): Promise<void>;
}

/** Mail of ever new senders, to one host after the other. */
function trafficTo(hosts: readonly Mx[]): Traffic {
  const replies: string[] = [];
  const byHost = hosts.map((): string[] => []);
  const over = new AbortController();
  const sending = Promise.all(
    hosts.map(async (host, i) => {
      for (; !over.signal.aborted; await sleep(20)) {
        const reply = await host.send({ from: `x@${randomUUID()}.example`, xclient: 'ADDR=192.0.2.1' });
        replies.push(reply);
        byHost[i]?.push(reply);
      }
    }),
  );
  return {
    replies,
    isGreylistedByAll: () => byHost.every((those) => those.slice(-10).every(isGreylisted)),
    async stop() {
      over.abort();
      await sending;
    },
  };
}

const isGreylisted = (reply: string | undefined): boolean => reply?.startsWith('450 4.7.1 Greylisted') === true;
const isTaken = (reply: string | undefined): boolean => reply?.startsWith('250 ') === true;

/** Kills it while mail comes in: all of it is greylisted or passes, and in the end it is greylisted again. */
async function dies(t: TestContext, hosts: readonly Mx[], master: RedisServer): Promise<void> {
  const traffic = trafficTo(hosts);
  const { replies } = traffic;
  await until(() => replies.length > 20);
  assert.ok(
    replies.every(isGreylisted),
    replies.find((reply) => !isGreylisted(reply)),
  );
  await master.kill();
  const before = replies.length;
  await until(() => replies.slice(before).some(isTaken));
  const since = Date.now();
  for (const late = since + patience; !traffic.isGreylistedByAll(); await sleep(100))
    assert.ok(Date.now() < late, 'the store is not back');
  t.diagnostic(`greylisted again ${Date.now() - since} ms after the first that passed`);
  await traffic.stop();
  const others = replies.filter((reply) => !isGreylisted(reply) && !isTaken(reply));
  assert.deepEqual(others, [], 'nothing else is said');
  const delivered = hosts.flatMap((host) => filesBelow(`${host.root}/sink/new`));
  assert.equal(delivered.length, replies.filter(isTaken).length, 'what was taken was delivered, once');
}

const keys = Array.from({ length: 60 }, (_, i) => `key ${i}`);

/** Waits until each has an answer, which is what was put. */
async function allThere(store: Store): Promise<void> {
  const late = Date.now() + patience;
  for (const key of keys) {
    let answer = await store.get(key);
    for (; !answer.ok && Date.now() < late; await sleep(200)) answer = await store.get(key);
    assert.deepEqual(answer, { ok: true, value: `of ${key}` });
  }
}

test('a store that sentinels watch keeps the contract, and what it knew when its master dies under traffic', async (t) => {
  if (!needPeer(t, 'redis-server')) return;
  const watched = await WatchedRedis.start();
  t.after(() => watched.end());
  const store = storeAt(watched.url);
  t.after(() => store.close());
  await storeContract(t, store);
  const hosts = await hostsAt(t, watched.url);
  await Promise.all(keys.map((key) => store.put(key, `of ${key}`, 600_000)));
  const { master } = watched;
  master.say('WAIT', '1', '10000');
  await dies(t, hosts, master);
  assert.notEqual(watched.master, master);
  await allThere(store);
  // The one that died comes back as a replica; then the other one says nothing, without being dead.
  await master.restart();
  const now = watched.master;
  for (
    const late = Date.now() + patience;
    !master.say('INFO', 'replication').includes('link_status:up');
    await sleep(100)
  )
    assert.ok(Date.now() < late, 'the replica does not come back');
  watched.loseSentinel();
  now.hang();
  try {
    for (const late = Date.now() + patience; watched.master === now; await sleep(200))
      assert.ok(Date.now() < late, 'no other master');
    await allThere(store);
  } finally {
    now.resume();
  }
});

test('a store in a cluster keeps the contract, and what it knew when a master dies under traffic', async (t) => {
  if (!needPeer(t, 'redis-server')) return;
  const cluster = await RedisCluster.start();
  t.after(() => cluster.end());
  const store = storeAt(cluster.url);
  t.after(() => store.close());
  await storeContract(t, store);
  const hosts = await hostsAt(t, cluster.url);
  await Promise.all(keys.map((key) => store.put(key, `of ${key}`, 600_000)));
  const [first] = cluster.servers as [RedisServer];
  first.say('WAIT', '1', '10000');
  await dies(t, hosts, first);
  await allThere(store);
});

test('doctor says who answers, and why nobody does', async (t) => {
  if (!needPeer(t, 'redis-server')) return;
  const watched = await WatchedRedis.start();
  t.after(() => watched.end());
  const cases: readonly [url: string, said: RegExp][] = [
    [watched.url, /"good".*127\.0\.0\.1:\d+, the master by the sentinel 127\.0\.0\.1:\d+ answers"/],
    [watched.url.replace('/greylist/', '/other/'), /"error".*sentinel 127\.0\.0\.1:\d+: knows no master other"/],
    [watched.url.replace('secret@', 'wrong@'), /"error".*sentinel .*: (?:WRONGPASS|NOAUTH|ERR)/],
    [watched.url.replace(/\?.*/, ''), /"error".*sentinel .*: (?:NOAUTH|ERR|WRONGPASS)/],
    ['redis://127.0.0.1:1', /"error".*ECONNREFUSED 127\.0\.0\.1:1"/],
    ['redis+cluster://127.0.0.1:1,127.0.0.1:2', /"error".*cluster: connect ECONNREFUSED 127\.0\.0\.1:[12]"/],
    [`redis+cluster://:secret@127.0.0.1:${watched.master.port}`, /"error".*cluster support disabled"/],
  ];
  for (const [url, said] of cases) {
    const { stdout } = await postern([
      'doctor',
      '--json',
      `--store=${url}`,
      '--relay=127.0.0.1:9',
      '--hostname=mx.test.example',
    ]);
    const line = stdout.split('\n').find((one) => one.includes('"area":"store"')) ?? stdout;
    assert.match(line, said);
    assert.doesNotMatch(stdout, /secret|sentinels: own/);
  }
});
