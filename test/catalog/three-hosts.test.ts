/**
 * What must hold of three MX hosts, row by row: what they share is one, and none of it holds up mail.
 *
 * | row | where |
 * |---|---|
 * | IDs are unique | here |
 * | greylisting and ratelimit over one Redis, over sentinels | here |
 * | Redis is down | here; hanging, dying under traffic: test/peers/redis*.test.ts |
 * | `quarantine show ID`, page | on each: hosts.test.ts |
 * | digest, its links | one with the mails of all, on each and once: hosts.test.ts |
 * | tokens | one truth: hosts.test.ts |
 * | one /spam for all: index, maildir | here, on a local disk |
 * | one /spam for all: digests | here |
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SmtpClient } from '../../src/trial/smtp-client.js';
import { filesBelow } from '../support/files-below.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { Postgres } from '../support/postgres.js';
import { RedisServer, WatchedRedis } from '../support/redis.js';
import { Fleet, type FleetHost } from './fleet.js';
import { countOf, emptyCatalog, waitFor } from './support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

const mailsEach = 300;

/** Refuses many, over several connections at once; returns the IDs. */
async function refuseMany(host: FleetHost): Promise<readonly string[]> {
  const ids: string[] = [];
  let next = 0;
  const sendSome = async (): Promise<void> => {
    const client = new SmtpClient('127.0.0.1', host.process.port);
    await client.reply();
    await client.say('EHLO client.example');
    while (next < mailsEach) {
      const subject = `${host.name}, ${next++}`;
      for (const line of ['MAIL FROM:<s@sender.example>', 'RCPT TO:<nobody@example.com>', 'DATA'])
        await client.say(line);
      const reply = await client.say(`From: s@sender.example\r\nSubject: ${subject}\r\n\r\nText.\r\n.`);
      ids.push(/^550 .*\((\w{14})\)$/.exec(reply)?.[1] ?? assert.fail(reply));
    }
    client.end();
  };
  await Promise.all(Array.from({ length: 4 }, sendSome));
  return ids;
}

test('one /spam for all: 900 IDs, lines and mails of three processes at once, whole; one digest', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const spam = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-one-spam-'));
  t.after(() => fs.rmSync(spam, { recursive: true, force: true }));
  const settings = [`catalog=${server.url}`, `spam=${spam}`, 'digest_url=https://quarantine.test.example'];
  const fleet = await Fleet.start(t, { hosts: 3, settings });
  const all = 3 * mailsEach;

  const ids = (await Promise.all(fleet.hosts.map(refuseMany))).flat();
  assert.equal(new Set(ids).size, all, 'IDs');

  const files = filesBelow(spam);
  const mails = files.filter((file) => file.includes('/new/'));
  assert.equal(mails.length, all, 'mails');
  assert.equal(files.filter((file) => path.basename(path.dirname(file)) === 'tmp').length, 0, 'nothing half written');
  for (const file of mails) assert.match(fs.readFileSync(file, 'latin1'), /^Recipient: [^]*\r?\nText\.\r?\n$/, file);
  const lines = files
    .filter((file) => path.basename(file) === 'index')
    .flatMap((file) => fs.readFileSync(file, 'utf8').trimEnd().split('\n'));
  const named = lines.map((line) => (JSON.parse(line) as { filename: string }).filename);
  assert.deepEqual(named.toSorted(), mails.map((file) => path.basename(file)).toSorted(), 'lines');

  // Each of the three finds all the lines, and each is in the catalog once.
  await waitFor(database, 'body', all);
  assert.equal(await countOf(database, 'mail'), all);
  assert.equal(await countOf(database, 'strange'), 0);
  const [sum] = await database.query<{ mails: number }>('select sum(mails)::integer as mails from tally');
  assert.equal(sum?.mails, all, 'tallies are rows');

  await database.query(`update mail set at = at - interval '1 day'`);
  const digests = await Promise.all(
    fleet.hosts.map((host) => host.postern('quarantine', 'digest', '--domain=example.com')),
  );
  assert.equal(digests.filter(({ stdout }) => stdout.includes(`sent ${all} mails`)).length, 1, JSON.stringify(digests));
  assert.equal(fleet.delivered.length, 1);
});

/**
 * Three hosts that greylist, and let a network send so many mails, and one more. These say so when the store has not
 * answered within a second, as on a busy machine; the fourth lets the mail pass, as is usual.
 */
async function greylisting(t: TestContext, store: string): Promise<readonly FleetHost[]> {
  const list = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'postern-list-')), 'plugins');
  t.after(() => fs.rmSync(path.dirname(list), { recursive: true, force: true }));
  fs.writeFileSync(list, `valid_users\nratelimit client=${most}/1h\ngreylisting delay=1s\n`);
  const settings = [`store=${store}`, `plugins=${list}`, 'xclient_networks=loopback'];
  const own = (host: number): readonly string[] => [`store_down=${host === 4 ? 'pass' : 'defer'}`];
  const fleet = await Fleet.start(t, { hosts: 4, settings, own });
  const marker = path.join(fleet.folder, 'srv/example.com/checks/greylisting');
  fs.mkdirSync(path.dirname(marker));
  fs.writeFileSync(marker, '');
  return fleet.hosts;
}

const most = 20;

/** A mail to somebody who is there; the reply that settles it. */
async function send(host: FleetHost, from: string, ip: string): Promise<string> {
  const client = new SmtpClient('127.0.0.1', host.process.port);
  try {
    await client.reply();
    let reply = '';
    const lines = ['EHLO client.example', `XCLIENT ADDR=${ip}`, 'EHLO client.example', `MAIL FROM:<${from}>`];
    for (const line of [...lines, 'RCPT TO:<alice@example.com>', 'DATA']) {
      reply = await client.say(line);
      if (!/^[23]/.test(reply)) return reply;
    }
    return await client.say(`From: ${from}\r\nSubject: good\r\n\r\nText.\r\n.`);
  } finally {
    client.end();
  }
}

/** The reply once the store has answered. */
async function answered(host: FleetHost, from: string, ip: string): Promise<string> {
  for (;;) {
    const reply = await send(host, from, ip);
    if (!reply.startsWith('451')) return reply;
    await sleep(100);
  }
}

async function sharedRight(hosts: readonly FleetHost[]): Promise<void> {
  // What one host has put off is known to the two others: there its second try passes.
  const [mx1, mx2, mx3] = hosts as readonly [FleetHost, FleetHost, FleetHost];
  let from = '';
  for (let i = 0, reply = ''; !/^450 4\.7\.1 Grey/.test(reply); i++) {
    assert.ok(!reply.startsWith('250'), 'nothing passes at its first try');
    // Senders that differ in digits alone are one.
    from = `a@sender${i}.example`;
    reply = await send(mx1, from, '192.0.2.1');
  }
  await sleep(1_200);
  for (const host of [mx2, mx3, mx1]) assert.match(await answered(host, from, '192.0.2.1'), /^250 /, host.name);
  // A network sends so many mails, whichever host it goes to.
  const codes: string[] = [];
  for (let i = 0; codes.slice(-3).join() !== '421,421,421'; i++)
    codes.push((await send(hosts[i % 3] ?? mx1, `b${i}@sender.example`, '198.51.100.1')).slice(0, 3));
  const late = codes.filter((code) => code === '451').length;
  const heard = codes.filter((code) => code === '450' || code === '250').length;
  assert.ok(heard <= most && heard + late >= most, codes.join());
}

for (const [what, startStore] of [
  ['one Redis', () => RedisServer.start()],
  ['sentinels', () => WatchedRedis.start()],
] as const)
  test(`greylisting and ratelimit are shared, and right, over ${what}; when it is down mail passes, and the log says so`, async (t) => {
    if (!needPeer(t, 'redis-server')) return;
    const store = await startStore();
    t.after(() => store.end());
    const hosts = await greylisting(t, store.url);
    await sharedRight(hosts.slice(0, 3));

    await store.end();
    for (const [i, host] of hosts.entries()) {
      assert.match(await send(host, 'c@sender.example', '203.0.113.1'), i < 3 ? /^451 4\.7\.1 / : /^250 /, host.name);
      await host.process.until(() => host.process.log.some(({ msg, level }) => msg === 'store' && level === 40));
    }
  });
