/** How long a listing holds, and what is never remembered; what the markers mean is test/contract. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { type Ip, parseIp } from '../../src/mail/ip.js';
import { BrokenMarker, Srv } from '../../src/srv/srv.js';

const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text);
const client = ip('192.0.2.1');

interface Tree {
  readonly srv: Srv;
  readonly root: string;
  /** The folder of example.com. */
  readonly domain: string;
}

function treeOf(t: TestContext): Tree {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'postern-srv-')));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const domain = join(root, 'example.com');
  for (const folder of ['checks', 'users/valid', 'blacklisted/ips'])
    mkdirSync(join(domain, folder), { recursive: true });
  return { srv: new Srv({ root, recipientDelimiter: '', blacklistDir: '', oncePerTurn: true }), root, domain };
}

/** [what is asked, the marker, the question] */
const questions: readonly [what: string, marker: string, ask: (srv: Srv) => boolean][] = [
  ['a check', 'checks/date', (srv) => srv.checkMode('example.com', 'date', true) === 'on'],
  ['all checks', 'checks/all', (srv) => srv.checkMode('example.com', 'date', true) === 'on'],
  ['a mailbox', 'users/valid/alice', (srv) => srv.recipient('example.com', 'alice', client).kind === 'valid'],
  [
    'a network',
    'blacklisted/ips/192.0.2.0_24',
    (srv) => srv.addressListed('example.com', 'blacklisted', client) !== undefined,
  ],
];
for (const [what, marker, ask] of questions) {
  test(`${what}: a marker dropped or removed counts from the next turn on`, async (t) => {
    const { srv, domain } = treeOf(t);
    for (const pauseMs of [0, 0, 60, 0, 60, 60, 0]) {
      assert.equal(ask(srv), false);
      writeFileSync(join(domain, marker), '');
      assert.equal(ask(srv), false, 'a folder is looked at once a turn');
      await (pauseMs === 0 ? turn() : sleep(pauseMs));
      assert.equal(ask(srv), true);
      rmSync(join(domain, marker));
      await turn();
    }
  });

  test(`${what}: where no turn counts, it counts at once`, (t) => {
    const { root, domain } = treeOf(t);
    const srv = new Srv({ root, recipientDelimiter: '', blacklistDir: '', oncePerTurn: false });
    assert.equal(ask(srv), false);
    writeFileSync(join(domain, marker), '');
    assert.equal(ask(srv), true);
  });
}

test('two changes in one tick of the file system’s clock are two', async (t) => {
  const { srv, domain } = treeOf(t);
  const asked = (): string => srv.recipient('example.com', 'alice', client).kind;
  for (let i = 0; i < 300; i++) {
    assert.equal(asked(), 'unknown', `round ${i}`);
    writeFileSync(join(domain, 'users/valid/alice'), '');
    await turn();
    assert.equal(asked(), 'valid', `round ${i}`);
    rmSync(join(domain, 'users/valid/alice'));
    await turn();
  }
});

test('a folder that another takes the place of, under times of old, is noticed', async (t) => {
  const { srv, domain, root } = treeOf(t);
  assert.equal(srv.recipient('example.com', 'alice', client).kind, 'unknown');
  await sleep(60);
  assert.equal(srv.recipient('example.com', 'alice', client).kind, 'unknown');
  const { atime, mtime } = statSync(join(domain, 'users/valid'));
  mkdirSync(join(root, 'other'));
  writeFileSync(join(root, 'other/alice'), '');
  utimesSync(join(root, 'other'), atime, mtime);
  renameSync(join(domain, 'users/valid'), join(root, 'before'));
  renameSync(join(root, 'other'), join(domain, 'users/valid'));
  await turn();
  assert.equal(srv.recipient('example.com', 'alice', client).kind, 'valid');
});

test('a folder around the one that is asked counts as well: removed, made anew, another in its place', async (t) => {
  const { srv, domain, root } = treeOf(t);
  const asked = (): readonly unknown[] => [
    srv.addressListed('example.com', 'blacklisted', client),
    srv.addressListed('example.com', 'whitelisted', client),
    srv.recipient('example.com', 'alice', client).kind,
    srv.checkMode('example.com', 'date', false),
  ];
  const nothing = [undefined, undefined, 'refused', 'off'];
  const all: unknown[] = ['example.com/blacklisted/ips/192.0.2.1', '_global_/whitelisted/ips/192.0.2.1', 'valid', 'on'];
  const outer = ['example.com/blacklisted', '_global_', 'example.com/users', 'example.com/checks'];
  mkdirSync(join(root, '_global_/whitelisted/ips'), { recursive: true });
  for (const marker of ['example.com/blacklisted/ips/192.0.2.1', '_global_/whitelisted/ips/192.0.2.1'])
    writeFileSync(join(root, marker), '');
  for (const marker of ['users/valid/alice', 'checks/date']) writeFileSync(join(domain, marker), '');
  for (const [i, folder] of outer.entries())
    for (const pauseMs of [0, 60]) {
      const others = all.with(i, nothing[i]);
      await sleep(pauseMs);
      assert.deepEqual(asked(), all);
      renameSync(join(root, folder), join(root, 'aside'));
      await turn();
      assert.deepEqual(asked(), others, `without ${folder}`);
      writeFileSync(join(root, folder), '');
      await turn();
      assert.deepEqual(asked(), others, `a file ${folder}`);
      rmSync(join(root, folder));
      renameSync(join(root, 'aside'), join(root, folder));
      await turn();
    }
});

const loop = (path: string): void => symlinkSync(path, path);
/** [what cannot be read, where, the question] */
const unreadable: readonly [what: string, path: string, ask: (srv: Srv) => unknown][] = [
  ['a check’s marker', 'checks/date', (srv) => srv.checkMode('example.com', 'date', false)],
  ['a mailbox', 'users/valid/alice', (srv) => srv.recipient('example.com', 'alice', client)],
  ['an address', 'blacklisted/ips/192.0.2.1', (srv) => srv.addressListed('example.com', 'blacklisted', client)],
  ['a whole list', 'whitelisted', (srv) => srv.listed('example.com', 'whitelisted', 'senders', 'a@example.net')],
];
for (const [what, path, ask] of unreadable)
  test(`${what} that is listed and cannot be read is broken, never absent, at every look`, async (t) => {
    const { srv, domain } = treeOf(t);
    loop(join(domain, path));
    for (let i = 0; i < 3; i++) {
      assert.throws(() => ask(srv), BrokenMarker);
      await turn();
    }
  });

test('a folder of more entries than are remembered answers by each of them', async (t) => {
  const { srv, domain } = treeOf(t);
  for (let i = 0; i < 3000; i++) writeFileSync(join(domain, `blacklisted/ips/10.0.${i >> 8}.${i & 255}`), '');
  assert.equal(
    srv.addressListed('example.com', 'blacklisted', ip('10.0.11.183')),
    'example.com/blacklisted/ips/10.0.11.183',
  );
  assert.equal(srv.addressListed('example.com', 'blacklisted', client), undefined);
  writeFileSync(join(domain, 'blacklisted/ips/192.0.0.0_16'), '');
  await turn();
  assert.equal(srv.addressListed('example.com', 'blacklisted', client), 'example.com/blacklisted/ips/192.0.0.0_16');
});

test('a domain that is a link is looked for behind it, and not outside of the tree', async (t) => {
  const { srv, root } = treeOf(t);
  symlinkSync('example.com', join(root, 'alias.example'));
  const outside = mkdtempSync(join(tmpdir(), 'postern-outside-'));
  t.after(() => rmSync(outside, { recursive: true }));
  mkdirSync(join(outside, 'users/valid'), { recursive: true });
  symlinkSync(outside, join(root, 'out.example'));
  writeFileSync(join(root, 'example.com/users/valid/alice'), '');
  assert.equal(srv.recipient('alias.example', 'alice', client).kind, 'valid');
  assert.equal(srv.isHosted('out.example'), false);
  rmSync(join(root, 'alias.example'));
  symlinkSync(outside, join(root, 'alias.example'));
  await turn();
  assert.equal(srv.isHosted('alias.example'), false);
});

/** Folders and files that the random changes below make and take away. */
const places = [
  'example.com/checks',
  'example.com/checks/all',
  'example.com/checks/date',
  'example.com/users/valid',
  'example.com/users/valid/alice',
  'example.com/users/valid/alice/192.0.2.1',
  'example.com/users/valid/*',
  'example.com/users/invalid/alice',
  'example.com/blacklisted/ips/192.0.2.1',
  'example.com/blacklisted/ips/192.0.2.0_24',
  '_global_/blacklisted/ips/192.0.0.0_8',
  '_global_/blacklisted/ips/0.0.0.0_0',
] as const;

test('after each of many random changes the answers are those of a look at each path', async (t) => {
  const { srv, root } = treeOf(t);
  const there = (path: string): boolean => existsSync(join(root, path));
  let seed = 20;
  const random = (max: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % max;
  for (let i = 0; i < 1500; i++) {
    const place = join(root, places[random(places.length)] ?? '');
    if (existsSync(place)) rmSync(place, { recursive: true });
    else {
      const parent = dirname(place);
      if (existsSync(parent) && (!statSync(parent).isDirectory() || random(20) === 0))
        rmSync(parent, { recursive: true });
      mkdirSync(parent, { recursive: true });
      if (random(4) === 0) mkdirSync(place);
      else writeFileSync(place, '');
    }
    await (random(50) === 0 ? sleep(55) : turn());
    const on = ['checks/date', 'checks/all'].some((marker) => there(`example.com/${marker}`));
    assert.equal(srv.checkMode('example.com', 'date', true), on ? 'on' : 'off', `change ${i}`);
    assert.equal(srv.recipient('example.com', 'alice', client).kind, wantedOfAlice(root), `change ${i}`);
    const listed = places.filter((path) => path.includes('/ips/')).find(there);
    assert.equal(srv.addressListed('example.com', 'blacklisted', client), listed, `change ${i}`);
  }
});

function wantedOfAlice(root: string): string {
  const users = join(root, 'example.com/users');
  const valid = join(users, 'valid/alice');
  if (!existsSync(users) || existsSync(join(users, 'invalid/alice'))) return 'refused';
  if (existsSync(valid)) {
    const open = !statSync(valid).isDirectory() || existsSync(join(valid, client.text));
    return open ? 'valid' : 'refused';
  }
  return existsSync(join(users, 'valid/*')) ? 'valid' : 'unknown';
}

/** [what, how the file is made, what is said] */
const brokenRelays: readonly (readonly [what: string, make: (path: string) => void, problem: RegExp])[] = [
  ['empty', (path) => writeFileSync(path, ''), /relay: must name a destination/],
  ['only a comment', (path) => writeFileSync(path, '# 192.0.2.7\n'), /relay: must name a destination/],
  ['nonsense', (path) => writeFileSync(path, 'to the left\n'), /relay: "the" must be tls=no/],
  ['binary', (path) => writeFileSync(path, Buffer.from([0, 255, 10, 7, 128])), /relay: ".*" must be host/],
  ['huge', (path) => writeFileSync(path, 'a.example\n'.repeat(10_000)), /relay: larger than 65536 octets/],
  ['a folder', (path) => mkdirSync(path), /relay: no file/],
  ['a FIFO', (path) => execFileSync('mkfifo', [path]), /relay: no file/],
  ['a link to nowhere', (path) => symlinkSync('/proc/nowhere/relay', path), /relay: a link to nowhere/],
  ['a link to itself', (path) => symlinkSync('relay', path), /relay: ELOOP/],
];
for (const [what, make, problem] of brokenRelays) {
  test(`a file relay that is ${what} defers, and is not taken for absent`, (t) => {
    const { srv, domain } = treeOf(t);
    make(join(domain, 'relay'));
    assert.throws(
      () => srv.destinations('example.com'),
      (error) => error instanceof BrokenMarker && problem.test(error.message),
    );
  });
}

test('a domain’s destinations: none without its file, then what the file says, from the next turn on', async (t) => {
  const { srv, domain } = treeOf(t);
  assert.equal(srv.destinations('example.com'), undefined);
  assert.equal(srv.destinations('nobody.example'), undefined);
  for (const pauseMs of [0, 0, 60, 0, 60, 60]) {
    for (const port of [1025, 2025]) {
      writeFileSync(join(domain, 'relay'), `192.0.2.7:${port}\n`);
      await (pauseMs === 0 ? turn() : sleep(pauseMs));
      assert.equal(srv.destinations('example.com')?.text, `192.0.2.7:${port}`);
    }
  }
  const known = srv.destinations('example.com');
  await sleep(60);
  srv.destinations('example.com');
  await turn();
  assert.equal(srv.destinations('example.com'), srv.destinations('example.com'), 'read once while it stays the same');
  assert.deepEqual(srv.destinations('example.com'), known);
  rmSync(join(domain, 'relay'));
  await turn();
  assert.equal(srv.destinations('example.com'), undefined);
});
