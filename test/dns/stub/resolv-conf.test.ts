/** /etc/resolv.conf: what is read from it, and that a change of the file counts for the next question. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { followResolvConf, parseResolvConf, type ResolvConf } from '../../../src/dns/stub/resolv-conf.js';
import { stubResolver } from '../../../src/dns/stub/stub-resolver.js';
import { fakeServer, reply, type FakeServer } from '../support/fake-server.js';
import { txt } from '../support/wire.js';

const folder = mkdtempSync(join(tmpdir(), 'postern-resolv-conf-'));
const opened: FakeServer[] = [];
after(async () => {
  rmSync(folder, { recursive: true });
  await Promise.all(opened.map((server) => server.close()));
});

const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

async function serverSaying(text: string | undefined): Promise<FakeServer> {
  const server = await fakeServer((asked) => (text === undefined ? [] : [reply(asked, { answers: [txt(text)] })]));
  opened.push(server);
  return server;
}

const shown = ({ servers, tryMs, tries, rotate, overTcp }: ResolvConf): string =>
  [
    servers.map(({ address, port }) => `${address}#${port}`).join(' '),
    tryMs,
    tries,
    rotate && 'rotate',
    overTcp && 'tcp',
  ]
    .filter((part) => part !== undefined && part !== false && part !== '')
    .join('; ');

const table: readonly (readonly [what: string, text: string, expected: string])[] = [
  ['nothing', '', ''],
  ['servers in order', 'nameserver 192.0.2.1\nnameserver 2001:DB8::1\n', '192.0.2.1#53 2001:db8::1#53'],
  ['a link-local server with its zone', 'nameserver fe80::1%eth0\n', 'fe80::1%eth0#53'],
  [
    'tabs, blanks at the end, CRLF, no newline',
    'nameserver \t192.0.2.1 \r\nnameserver\t192.0.2.2',
    '192.0.2.1#53 192.0.2.2#53',
  ],
  ['comments', '# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nnameserver 192.0.2.3 # 192.0.2.4', '192.0.2.3#53'],
  ['an indented line is none', ' nameserver 192.0.2.1\n', ''],
  ['what is no address', 'nameserver\nnameserver ns.test\nnameserver 192.0.2.1\n', '192.0.2.1#53'],
  ['search domains are passed over', 'search example.org\ndomain example.net\nnameserver 192.0.2.1\n', '192.0.2.1#53'],
  ['options', 'options edns0 timeout:2 attempts:3 rotate use-vc ndots:2\n', '2000; 3; rotate; tcp'],
  ['options in several lines, the last one counts', 'options timeout:2 rotate\noptions timeout:1\n', '1000; rotate'],
  ['glibc’s limits', 'options timeout:99 attempts:99\n', '30000; 5'],
  ['at least one second and one try', 'options timeout:0 attempts:0\n', '1000; 1'],
  ['malformed numbers', 'options timeout:x attempts:-1 timeout: attempts:1e3\n', ''],
];

for (const [what, text, expected] of table) {
  test(`resolv.conf: ${what}`, () => assert.equal(shown(parseResolvConf(text)), expected));
}

test('the file is looked at again after a second, however it was changed', () => {
  let now = 0;
  const path = join(folder, 'followed');
  const conf = followResolvConf(path, shown, () => now);
  const inASecond = (): string => {
    now += 1000;
    return conf();
  };
  assert.equal(conf(), '127.0.0.1#53', 'no file');
  file('followed', 'nameserver 192.0.2.1\n');
  assert.equal(conf(), '127.0.0.1#53', 'within a second');
  assert.equal(inASecond(), '192.0.2.1#53', 'a new file');
  file('followed', 'nameserver 192.0.2.22\n');
  assert.equal(inASecond(), '192.0.2.22#53', 'written over');
  renameSync(file('other', 'nameserver 192.0.2.33\n'), path);
  assert.equal(inASecond(), '192.0.2.33#53', 'another file renamed over it');
  rmSync(path);
  assert.equal(inASecond(), '192.0.2.33#53', 'taken away: what was read holds');
  file('followed', '');
  assert.equal(inASecond(), '192.0.2.33#53', 'empty, as it is while it is written');
  file('followed', 'nameserver 192.0.2.4\n');
  assert.equal(inASecond(), '192.0.2.4#53', 'whole again');
  rmSync(path);
  symlinkSync(file('target', 'nameserver 192.0.2.5\n'), path);
  assert.equal(inASecond(), '192.0.2.5#53', 'a link to a file elsewhere');
  renameSync(file('other', 'nameserver 192.0.2.6\n'), join(folder, 'target'));
  assert.equal(inASecond(), '192.0.2.6#53', 'the file behind the link');
});

test('a file with options but no server: the server of this machine, with these options', () => {
  const conf = followResolvConf(file('options', 'options timeout:1\n'), shown);
  assert.equal(conf(), '127.0.0.1#53; 1000');
});

test('a look-up asks the servers of the file as it is now, also when another was renamed over it', async () => {
  const [first, second] = await Promise.all([serverSaying('first'), serverSaying('second')]);
  const path = file('live', `nameserver ${first.address}\n`);
  const resolver = stubResolver({ resolvConf: path });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT'), { kind: 'found', records: [['first']] });
  renameSync(file('next', `nameserver ${second.address}\n`), path);
  for (;;) {
    const answer = await resolver.lookup('a.test', 'TXT');
    if (answer.kind === 'found' && answer.records[0]?.[0] === 'second') break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

test('a new resolver, as HUP makes one, reads the file at once', async () => {
  const [first, second] = await Promise.all([serverSaying('first'), serverSaying('second')]);
  const path = file('hup', `nameserver ${first.address}\n`);
  await stubResolver({ resolvConf: path }).lookup('a.test', 'TXT');
  renameSync(file('next', `nameserver ${second.address}\n`), path);
  const answer = await stubResolver({ resolvConf: path }).lookup('a.test', 'TXT');
  assert.deepEqual(answer, { kind: 'found', records: [['second']] });
});

test('servers that are given go before the file', async () => {
  const [inFile, given] = await Promise.all([serverSaying('file'), serverSaying('given')]);
  const path = file('given', `nameserver ${inFile.address}\noptions use-vc\n`);
  await stubResolver({ resolvConf: path, servers: [given.address] }).lookup('a.test', 'TXT');
  assert.equal(inFile.asked.length, 0);
  assert.equal(given.asked[0]?.over, 'udp');
});

test('use-vc: over TCP alone', async () => {
  const server = await serverSaying('yes');
  const resolver = stubResolver({ resolvConf: file('vc', `nameserver ${server.address}\noptions use-vc\n`) });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT'), { kind: 'found', records: [['yes']] });
  assert.deepEqual(
    server.asked.map(({ over }) => over),
    ['tcp'],
  );
});

test('rotate: each look-up begins with another server', async () => {
  const servers = await Promise.all([serverSaying('yes'), serverSaying('yes')]);
  const lines = servers.map(({ address }) => `nameserver ${address}\n`).join('');
  const resolver = stubResolver({ resolvConf: file('rotate', `${lines}options rotate\n`) });
  for (let i = 0; i < 4; i++) await resolver.lookup('a.test', 'TXT');
  assert.deepEqual(
    servers.map(({ asked }) => asked.length),
    [2, 2],
  );
});

test('attempts: how often a silent server is asked; what the caller gives goes before it', async () => {
  const server = await serverSaying(undefined);
  const path = file('attempts', `nameserver ${server.address}\noptions attempts:3\n`);
  await stubResolver({ resolvConf: path, tryMs: 30 }).lookup('a.test', 'TXT');
  assert.equal(server.asked.length, 3);
  await stubResolver({ resolvConf: path, tryMs: 30, tries: 1 }).lookup('a.test', 'TXT');
  assert.equal(server.asked.length, 4);
});

test('timeout: the next server is asked when it is over', async () => {
  const [mute, good] = await Promise.all([serverSaying(undefined), serverSaying('yes')]);
  const path = file('timeout', `nameserver ${mute.address}\nnameserver ${good.address}\noptions timeout:1\n`);
  const resolvers = [stubResolver({ servers: [mute.address, good.address] }), stubResolver({ resolvConf: path })];
  // By default it would be 3 s.
  const firstToAnswer = await Promise.race(
    resolvers.map(async (resolver) => {
      assert.deepEqual(await resolver.lookup('a.test', 'TXT'), { kind: 'found', records: [['yes']] });
      return resolver;
    }),
  );
  assert.equal(firstToAnswer, resolvers[1]);
});

test('following the file keeps no process alive', async () => {
  const server = await serverSaying('yes');
  const path = file('alive', `nameserver ${server.address}\n`);
  const program = `
    import { stubResolver } from ${JSON.stringify(new URL('../../../src/dns/stub/stub-resolver.js', import.meta.url).href)};
    const answer = await stubResolver({ resolvConf: ${JSON.stringify(path)} }).lookup('a.test', 'TXT');
    console.log(answer.kind);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    timeout: 20_000,
  });
  assert.equal(stdout, 'found\n');
});
