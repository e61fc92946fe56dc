/** The stub resolver's servers, sockets and time: which server is asked when, and that nothing is left behind. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { stubResolver } from '../../../src/dns/stub/stub-resolver.js';
import { fakeServer, reply, type Behaviour, type FakeServer } from '../support/fake-server.js';
import { cname, T, txt } from '../support/wire.js';

const opened: FakeServer[] = [];
after(() => Promise.all(opened.map((server) => server.close())));

async function start(behave: Behaviour): Promise<FakeServer> {
  const server = await fakeServer(behave);
  opened.push(server);
  return server;
}

const good = (): Promise<FakeServer> => start((asked) => [reply(asked, { answers: [txt('yes')] })]);
const silent = (): Promise<FakeServer> => start(() => []);
const refusing = (): Promise<FakeServer> => start((asked) => [reply(asked, { rcode: 5 })]);
const yes = { kind: 'found', records: [['yes']] };

/** A port where nobody listens. */
async function deadAddress(): Promise<string> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return `127.0.0.1:${port}`;
}

test('without any name server a look-up fails', async () => {
  assert.deepEqual(await stubResolver({ servers: [] }).lookup('a.test', 'A'), {
    kind: 'failed',
    problem: 'no name server',
  });
});

test('a server of the settings that is no address stops the start', () => {
  assert.throws(() => stubResolver({ servers: ['ns.example'] }), /not a name server.*"ns\.example"/);
});

test('the second server answers when the first is silent, and is then asked first for a while', async () => {
  const [first, second] = await Promise.all([silent(), good()]);
  const resolver = stubResolver({ servers: [first.address, second.address], tryMs: 300 });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT'), yes);
  assert.deepEqual(await resolver.lookup('b.test', 'TXT'), yes);
  assert.deepEqual([first.asked.length, second.asked.length], [1, 2]);
});

test('without `tryMs` the total time leaves the second server its turn', async () => {
  const [first, second] = await Promise.all([silent(), good()]);
  const resolver = stubResolver({ servers: [first.address, second.address], totalMs: 900 });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT'), yes);
});

test('the second server answers at once when nobody listens at the first', { timeout: 60_000 }, async () => {
  const second = await good();
  const resolver = stubResolver({ servers: [await deadAddress(), second.address], tryMs: 600_000 });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT'), yes);
});

test('the second server is asked when the first refuses; a refusal is not asked for twice', async () => {
  const [first, second] = await Promise.all([refusing(), refusing()]);
  const resolver = stubResolver({ servers: [first.address, second.address], tries: 3 });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT'), { kind: 'failed', problem: 'REFUSED' });
  assert.deepEqual([first.asked.length, second.asked.length], [1, 1]);
});

test('nobody listens anywhere: failed at once', async () => {
  const answer = await stubResolver({ servers: [await deadAddress()] }).lookup('a.test', 'TXT');
  assert.deepEqual(answer, { kind: 'failed', problem: 'UDP: ECONNREFUSED' });
});

test('a network that cannot be reached: failed at once', async () => {
  const answer = await stubResolver({ servers: ['[100::1]:53'], tryMs: 200, tries: 1 }).lookup('a.test', 'TXT');
  assert.equal(answer.kind, 'failed');
});

test('a silent server is asked `tries` times', async () => {
  const server = await silent();
  await stubResolver({ servers: [server.address], tryMs: 30, tries: 3 }).lookup('a.test', 'TXT');
  assert.equal(server.asked.length, 3);
});

/** Answers the nth question of a look-up well, after so long. */
const slow = (n: number, afterMs: number): Promise<FakeServer> => {
  let count = 0;
  return start((asked) => (++count === n ? [{ ...reply(asked, { answers: [txt('yes')] }), afterMs }] : []));
};

test('a silent server is asked again from the same port under the same id, and the late answer counts', async () => {
  const server = await slow(1, 250);
  const answer = await stubResolver({ servers: [server.address], tryMs: 200, tries: 9 }).lookup('a.test', 'TXT');
  assert.deepEqual(answer, yes);
  const [first, second] = server.asked;
  assert.deepEqual([second?.id, second?.clientPort], [first?.id, first?.clientPort]);
});

test('the late answer of the first server counts while the second is asked', async () => {
  const [first, second] = await Promise.all([slow(1, 300), silent()]);
  const resolver = stubResolver({ servers: [first.address, second.address], tryMs: 250, tries: 9 });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT'), yes);
  assert.ok(second.asked.length > 0);
});

test('the late refusal of the first server ends nothing while the second is asked', async () => {
  const first = await start((asked) => [{ ...reply(asked, { rcode: 5 }), afterMs: 250 }]);
  const second = await slow(1, 400);
  const resolver = stubResolver({ servers: [first.address, second.address], tryMs: 200, tries: 9 });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT'), yes);
});

test('when all sockets are taken, the next server is asked with that of the silent one', async () => {
  const [first, second] = await Promise.all([silent(), good()]);
  const resolver = stubResolver({ servers: [first.address, second.address], tryMs: 500, maxSockets: 1 });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT'), yes);
  assert.deepEqual(await resolver.lookup('b.test', 'TXT'), yes);
});

test('the last try of several is without EDNS, and so are the next questions once that was answered', async () => {
  const server = await start((asked) => (asked.edns ? [] : [reply(asked, { answers: [txt('yes')] })]));
  const resolver = stubResolver({ servers: [server.address], tryMs: 500, tries: 2 });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT'), yes);
  assert.deepEqual(await resolver.lookup('b.test', 'TXT'), yes);
  assert.deepEqual(
    server.asked.map(({ edns }) => edns),
    [true, false, false],
  );
});

test('a late answer with EDNS does not make us ask without it', async () => {
  const opt = { owner: '', type: T.OPT, ttl: 0, class: 1232, data: Buffer.alloc(0) };
  let count = 0;
  const server = await start((asked) =>
    ++count === 1 ? [] : [reply(asked, { answers: [txt('yes')], additional: [opt] })],
  );
  const resolver = stubResolver({ servers: [server.address], tryMs: 500, tries: 2 });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT'), yes);
  assert.deepEqual(await resolver.lookup('b.test', 'TXT'), yes);
  assert.deepEqual(
    server.asked.map(({ edns }) => edns),
    [true, false, true],
  );
});

test('as many servers as there are, one that is silent to EDNS gets its last try within the total time', async () => {
  const servers = await Promise.all(
    Array.from({ length: 4 }, () => start((asked) => (asked.edns ? [] : [reply(asked, { answers: [txt('yes')] })]))),
  );
  const resolver = stubResolver({ servers: servers.map(({ address }) => address), totalMs: 4000 });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT'), yes);
});

test('the total time bounds everything, CNAMEs included', async () => {
  const server = await start((asked) => [{ ...reply(asked, { answers: [cname(`x${asked.name}`)] }), afterMs: 60 }]);
  const answer = await stubResolver({ servers: [server.address], totalMs: 200 }).lookup('a.test', 'TXT');
  assert.deepEqual(answer, { kind: 'failed', problem: 'timed out' });
});

test('IPv6 servers are asked over IPv6, in the zone that is named', async (t) => {
  const socket = createSocket('udp6');
  const bound = await new Promise<boolean>((resolve) => {
    socket.once('error', () => resolve(false));
    socket.bind(0, '::1', () => resolve(true));
  });
  if (!bound) return t.skip('no ::1 here');
  socket.on('message', (octets, from) => {
    const answer = Buffer.from(octets);
    answer[2] = 0x81;
    answer[3] = 0x83;
    socket.send(answer, from.port, from.address);
  });
  const { port } = socket.address();
  const ask = (server: string) => stubResolver({ servers: [server] }).lookup('a.test', 'TXT');
  const answers = await Promise.all([ask(`[0:0::1]:${port}`), ask(`[::1%lo]:${port}`)]);
  socket.close();
  for (const answer of answers) assert.deepEqual(answer, { kind: 'void', why: 'nxdomain' });
});

test('ids and ports are new for each question', async () => {
  const server = await good();
  const resolver = stubResolver({ servers: [server.address] });
  await Promise.all(Array.from({ length: 50 }, async (_, i) => resolver.lookup(`n${i}.test`, 'TXT')));
  assert.ok(new Set(server.asked.map(({ id }) => id)).size > 45);
  assert.ok(new Set(server.asked.map(({ clientPort }) => clientPort)).size > 30);
});

test('an abort ends the look-up', async () => {
  const server = await silent();
  const resolver = stubResolver({ servers: [server.address] });
  const abort = new AbortController();
  const asked = resolver.lookup('a.test', 'TXT', { signal: abort.signal });
  setTimeout(() => abort.abort(), 20);
  assert.deepEqual(await asked, { kind: 'failed', problem: 'aborted' });
});

test('an abort beforehand: failed, and nobody is asked', async () => {
  const server = await good();
  const answer = await stubResolver({ servers: [server.address] }).lookup('a.test', 'TXT', {
    signal: AbortSignal.abort(),
  });
  assert.deepEqual(answer, { kind: 'failed', problem: 'aborted' });
  assert.equal(server.asked.length, 0);
});

test('so many sockets are open at once and no more', async () => {
  let open = 0;
  let peak = 0;
  const server = await start((asked) => {
    peak = Math.max(peak, ++open);
    setTimeout(() => open--, 5);
    return [{ ...reply(asked, { answers: [txt('yes')] }), afterMs: 10 }];
  });
  const resolver = stubResolver({ servers: [server.address], maxSockets: 3 });
  const answers = await Promise.all(Array.from({ length: 20 }, async (_, i) => resolver.lookup(`n${i}.test`, 'TXT')));
  assert.ok(answers.every(({ kind }) => kind === 'found'));
  assert.ok(peak <= 3);
});

test('no socket and no timer is left behind', async () => {
  const [quiet, truncating] = await Promise.all([
    silent(),
    start((asked) => (asked.over === 'udp' ? [reply(asked, { flags: 0x8380 })] : [])),
  ]);
  const count = (): number =>
    process.getActiveResourcesInfo().filter((kind) => /UDP|TCPSocketWrap|Timeout/.test(kind)).length;
  const resolver = stubResolver({ servers: [quiet.address, truncating.address], tryMs: 30, tries: 2 });
  const before = count();
  await Promise.all(Array.from({ length: 20 }, async (_, i) => resolver.lookup(`n${i}.test`, 'TXT')));
  for (let waited = 0; waited < 100 && count() > before; waited++)
    await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(count() <= before);
});

test('a pending look-up keeps the process alive until it is answered, and not longer', async () => {
  const server = await silent();
  const program = `
    import { stubResolver } from ${JSON.stringify(new URL('../../../src/dns/stub/stub-resolver.js', import.meta.url).href)};
    const resolver = stubResolver({ servers: [${JSON.stringify(server.address)}], tryMs: 100, tries: 1, totalMs: 60000 });
    void resolver.lookup('a.test', 'TXT').then((answer) => console.log(answer.problem));`;
  const args = ['--input-type=module', '-e', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
  assert.equal(stdout, 'timed out\n');
});
