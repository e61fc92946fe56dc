/** `postern doctor`: the command as a whole, the DNS, lists and records of domains, folders and the clock. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { generateKeyPairSync } from 'node:crypto';
import { oldExpiry } from '../../../src/cli/doctor/folders.js';
import { parseIp } from '../../../src/mail/ip.js';
import { examinePort } from '../../../src/cli/doctor/our-name.js';
import { loadSettings } from '../../../src/settings/settings.js';
import { needPeer } from '../../support/peers.js';
import { fakeServer, reply } from '../../dns/support/fake-server.js';
import { postern } from '../support/postern-command.js';
import { goodZone, installation, linesOf, scriptedMta } from './support.js';
import type { ServedName } from '../../support/zone-server.js';

/** As an MTA that refuses what is not its own. */
function decent(line: string): string {
  if (line.startsWith('EHLO')) return '250-mta.test\r\n250-SIZE 52428800\r\n250 XFORWARD NAME ADDR\r\n';
  if (line.startsWith('RCPT')) return '550 5.1.1 No such user\r\n';
  return '250 2.0.0 Ok\r\n';
}

test('a trial is said to be one, and a tree without a domain to have none', async (t) => {
  const trial = await postern(['doctor', '--trial']);
  assert.match(trial.stdout, /^note {5}settings {5}this is the trial: /m);
  const { settings, root } = await installation(t, { relayPort: 1 });
  mkdirSync(join(root, 'empty'));
  const empty = await postern([
    'doctor',
    ...settings.filter((word) => !word.startsWith('--srv=')),
    `--srv=${root}/empty`,
  ]);
  assert.match(
    empty.stdout,
    /^warning {2}settings {5}\S+\/empty hosts no domain, .*; postern srv add-domain makes one$/m,
  );
});

test('where all is well it says so, one line a finding, and ends with 0; nothing but RCPT and RSET is said', async (t) => {
  const mta = await scriptedMta(t, '220 mta.test ESMTP Postfix\r\n', decent);
  const { settings } = await installation(t, { relayPort: mta.port });
  const ran = await postern(['doctor', ...settings, '--tls_cert=', 'example.com']);
  assert.equal(ran.stderr, '');
  const words = ran.stdout
    .trimEnd()
    .split('\n')
    .slice(0, -2)
    .map((line) => line.slice(0, 22).trim().replace(/ {2,}/, ' '));
  const count = (word: string): number => words.filter((one) => one === word).length;
  assert.deepEqual(
    [
      'good settings',
      'good folders',
      'good relay',
      'good name',
      'good domain',
      'good records',
      'warning certificate',
    ].map(count),
    [1, 3, 4, 1, 1, 1, 1],
    ran.stdout,
  );
  assert.match(
    ran.stdout,
    /^good {5}relay {8}127\.0\.0\.1:\d+ \(mta\.test ESMTP Postfix\) answers, and offers XFORWARD$/m,
  );
  const said = new Set(mta.heard.map((line) => line.split(/[ :]/)[0]));
  assert.deepEqual([...said], ['EHLO', 'MAIL', 'RCPT', 'RSET', 'QUIT']);
  assert.deepEqual(
    mta.heard.filter((line) => line.startsWith('RCPT')).map((line) => line.replace(/-[0-9a-f]{8}@/, '@')),
    ['victim@elsewhere.example', 'postern-doctor@example.com', 'victim%elsewhere.example@example.com'].map(
      (recipient) => `RCPT TO:<${recipient}>`,
    ),
  );
  // It is no address of this machine by name, and whoever has port 25 there is not ours.
  assert.match(ran.stdout, /^(?:note|warning) +port 25 /m);
  assert.equal(ran.code, 0);
});

test('check-config --live is the same, and its last line of JSON sums up', async (t) => {
  const mta = await scriptedMta(t, '220 mta.test ESMTP\r\n', decent);
  const { settings } = await installation(t, { relayPort: mta.port });
  const ran = await postern(['check-config', '--live', '--json', ...settings]);
  const last = JSON.parse(ran.stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
  assert.equal(last['hostname'], 'mx.test.example');
  assert.equal(last['good'], ran.code === 0);
  assert.ok(ran.stdout.includes('"area":"relay"'));
});

test('wrong settings, a domain that is none, and one that is not hosted', async (t) => {
  const { settings, doctor } = await installation(t);
  assert.equal((await postern(['doctor', ...settings, '--max_size=none'])).code, 78);
  assert.equal((await postern(['doctor', ...settings, 'no domain'])).code, 64);
  assert.equal((await postern(['doctor', ...settings, 'a.example', 'b.example'])).code, 64);
  const foreign = await doctor('other.example');
  assert.equal(foreign.code, 1);
  assert.deepEqual(linesOf(foreign, 'domain'), ['error: other.example is no hosted domain']);
  const noTree = await doctor('--srv=/proc/nowhere/at/all');
  assert.equal(noTree.code, 1);
  assert.match(linesOf(noTree, 'settings').join('\n'), /error: srv: \/proc\/nowhere\/at\/all: is not there/);
});

const hostile = 'evil\x1b]0;x\x07\u0085\u009b.example';

/** [what, the name's records, what is said of the domain] */
const mxTable: readonly (readonly [what: string, zone: Readonly<Record<string, ServedName>>, said: RegExp])[] = [
  ['ours by name', {}, /^good: the MX of example\.com is mx\.test\.example \(10\)$/],
  [
    'ours by address',
    { 'example.com': { MX: [[10, 'Mail.Example.COM']] }, 'mail.example.com': { A: ['127.0.0.99'] } },
    /^good: .* is mail\.example\.com \(10\)$/,
  ],
  [
    'elsewhere',
    { 'example.com': { MX: [[10, 'a.elsewhere.example']] } },
    /^error: the MX of example\.com is a\.elsewhere\.example \(10\), and not mx\.test\.example$/,
  ],
  [
    'behind another',
    {
      'example.com': {
        MX: [
          [20, 'mx.test.example'],
          [5, 'first.example'],
        ],
      },
    },
    /^note: .*when first\.example cannot be reached$/,
  ],
  ['null MX', { 'example.com': { MX: [[0, '']] } }, /^error: example\.com says that it takes no mail/],
  ['none', { 'example.com': { TXT: ['x'] } }, /^error: example\.com has no MX record$/],
  [
    'none, but our address',
    { 'example.com': { A: ['127.0.0.99'] } },
    /^warning: example\.com has no MX record; its own address/,
  ],
  ['no such domain', { 'example.com': { CNAME: 'gone.example' } }, /^error: example\.com is not in the DNS$/],
  [
    'a server that fails',
    { 'example.com': 'servfail' },
    /^note: the MX of example\.com cannot be asked for: SERVFAIL$/,
  ],
  [
    'octets that a terminal obeys',
    { 'example.com': { MX: [[10, hostile]] } },
    /^error: the MX of example\.com is evil/,
  ],
];
for (const [what, zone, said] of mxTable) {
  test(`MX: ${what}`, async (t) => {
    const { doctor, settings } = await installation(t, { zone: { ...goodZone, ...zone } });
    const found = await doctor();
    assert.equal(linesOf(found, 'domain').length, 1);
    assert.match(linesOf(found, 'domain')[0] ?? '', said);
    if (what !== 'octets that a terminal obeys') return;
    const shown = await postern(['doctor', ...settings]);
    assert.doesNotMatch(shown.stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  });
}

const name = 'mx.test.example';
const reverse = '99.0.0.127.in-addr.arpa';

/** [what, records, what is said of our name] */
const nameTable: readonly (readonly [what: string, zone: Readonly<Record<string, ServedName>>, said: RegExp])[] = [
  ['agrees', {}, /^good: mx\.test\.example has 127\.0\.0\.99, whose reverse name is mx\.test\.example$/],
  [
    'another reverse name',
    { [reverse]: { PTR: ['Host-99.Provider.example'] } },
    /^warning: .*whose reverse name is host-99\.provider\.example$/,
  ],
  ['no reverse name', { [reverse]: { TXT: ['x'] } }, /^warning: .*127\.0\.0\.99, which has no reverse name$/],
  ['no address', { [name]: { TXT: ['x'] } }, /^error: mx\.test\.example has no address in the DNS/],
  [
    'a server that fails',
    { [name]: 'servfail' },
    /^note: the addresses of mx\.test\.example cannot be asked for: SERVFAIL/,
  ],
];
for (const [what, zone, said] of nameTable) {
  test(`our name: ${what}`, async (t) => {
    const { doctor } = await installation(t, { zone: { ...goodZone, ...zone } });
    assert.match(linesOf(await doctor(), 'name')[0] ?? '', said);
  });
}

/** [what, the greeting, what is said of the port] */
const portTable: readonly (readonly [what: string, greeting: string | undefined, said: RegExp])[] = [
  ['our greeting', '220 mx.test.example ESMTP postern\r\n', /^good: 127\.0\.0\.1 answers mx\.test\.example/],
  [
    'somebody else',
    '220 other.example ESMTP Postfix\r\n',
    /^warning: 127\.0\.0\.1 answers "220 other\.example ESMTP Postfix", which/,
  ],
  ['a refusal', '554 go away\r\n', /^error: 127\.0\.0\.1 answers "554 go away"$/],
  ['a greeting without an end', 'x'.repeat(5_000), /^error: 127\.0\.0\.1 answers "x+"$/],
];
for (const [what, greeting, said] of portTable) {
  test(`port 25: ${what}`, async (t) => {
    const { port } = await scriptedMta(t, greeting, () => undefined);
    const loaded = loadSettings({ argv: ['--hostname=mx.test.example'], env: {}, readFile: () => '' });
    const ip = parseIp('127.0.0.1');
    assert.ok(loaded.ok && ip);
    const found = [];
    for await (const one of examinePort(loaded.value, [ip], port)) found.push(`${one.severity}: ${one.text}`);
    assert.match(found.join('\n'), said);
  });
}

test('the resolver: one that validates, one that does not, one that is silent', async (t) => {
  const flags = (ad: boolean): number => (ad ? 0x81a0 : 0x8180);
  const asked: number[] = [];
  const validating = await fakeServer((query) => {
    asked.push(query.octets.readUInt16BE(2) & 0x20);
    return [reply(query, { flags: flags(query.name === ''), rcode: query.name === '' ? 0 : 3 })];
  });
  const plain = await fakeServer((query) => [reply(query, { flags: flags(false), rcode: 3 })]);
  const silent = await fakeServer(() => []);
  const broken = await fakeServer((query) => [
    { octets: Buffer.concat([query.octets.subarray(0, 2), Buffer.alloc(9)]) },
  ]);
  t.after(() => Promise.all([validating, plain, silent, broken].map((server) => server.close())));
  const { doctor } = await installation(t);
  const all = [validating, plain, silent, broken].map(({ address }) => address);
  const found = await doctor(`--dns_servers=${all.join(',')}`, '--dns_timeout=2s');
  assert.deepEqual(
    linesOf(found, 'resolver').map((line) => line.replace(/127\S+/, 'IT')),
    [
      'good: IT answers, and validates (DNSSEC)',
      'warning: IT answers, but does not validate',
      'error: IT does not answer: timed out',
      'error: IT does not answer: timed out',
    ],
  );
  assert.ok(asked.includes(0x20), 'the server is asked to say whether it has validated');
  const none = await doctor(`--dns_servers=${silent.address}`, '--dns_timeout=1s');
  assert.equal(none.code, 1);
  assert.deepEqual(linesOf(none, 'domain'), [], 'nothing is looked up where nobody answers');
});

const bl = (answer: ServedName, never: ServedName = { TXT: ['x'] }): Readonly<Record<string, ServedName>> => ({
  '2.0.0.127.bl.example': answer,
  '1.0.0.127.bl.example': never,
});

/** [what, records, what is said of the list] */
const listTable: readonly (readonly [what: string, zone: Readonly<Record<string, ServedName>>, said: RegExp])[] = [
  [
    'as it should',
    bl({ A: ['127.0.0.2'] }),
    /^good: bl\.example \(example\.com\/zones\) lists its test point 127\.0\.0\.2$/,
  ],
  ['nothing', bl({ TXT: ['x'] }), /^error: .* does not list its test point 127\.0\.0\.2: it is dead/],
  [
    'everything',
    bl({ A: ['127.0.0.2'] }, { A: ['127.0.0.2'] }),
    /^error: .* lists 127\.0\.0\.1, and so most likely everything$/,
  ],
  [
    'a public resolver',
    bl({ A: ['127.255.255.254'] }),
    /^error: .*127\.255\.255\.254: no listing \(it does not answer to public resolvers/,
  ],
  ['a domain for sale', bl({ A: ['192.0.2.80'] }), /^error: .*answers 192\.0\.2\.80: no listing$/],
  ['a server that fails', bl('servfail'), /^error: .*bl\.example: SERVFAIL$/],
];
for (const [what, zone, said] of listTable) {
  test(`a DNS list answers: ${what}`, async (t) => {
    const markers = ['example.com/users/valid/alice', 'example.com/zones=bl.example=127.0.0.3\n'];
    const { doctor } = await installation(t, { markers, zone: { ...goodZone, ...zone } });
    const found = await doctor();
    assert.equal(linesOf(found, 'lists').length, 1);
    assert.match(linesOf(found, 'lists')[0] ?? '', said);
  });
}

test('a list of domains has a test point of its own, which not every one has', async (t) => {
  const markers = ['example.com/users/valid/alice', 'example.com/domain_zones=dbl.example\nother.example\n'];
  const zone = { ...goodZone, 'test.dbl.example': { A: ['127.0.1.2'] }, 'other.example': { TXT: ['x'] } };
  const { doctor } = await installation(t, { markers, zone });
  const [first, second] = linesOf(await doctor(), 'lists');
  assert.match(first ?? '', /^good: dbl\.example .* lists its test point TEST$/);
  assert.match(second ?? '', /^note: other\.example .* does not list its test point TEST$/);
});

const rsa = (bits: number): string =>
  generateKeyPairSync('rsa', { modulusLength: bits })
    .publicKey.export({ format: 'der', type: 'spki' })
    .toString('base64');

/** [what, records, what is said of them] */
const recordTable: readonly (readonly [what: string, zone: Readonly<Record<string, ServedName>>, said: RegExp])[] = [
  ['in order', {}, /^good: example\.com: SPF, DMARC, DKIM are in order$/],
  ['no SPF', { 'example.com': { MX: [[10, name]] } }, /^warning: example\.com: there is no SPF record$/],
  [
    'two SPF records',
    { 'example.com': { MX: [[10, name]], TXT: ['v=spf1 -all', 'v=spf1 mx -all'] } },
    /^error: SPF of example\.com: there are 2 SPF records/,
  ],
  ['no DMARC', { '_dmarc.example.com': { TXT: ['hello'] } }, /^warning: example\.com: there is no DMARC record$/],
  [
    'two DMARC records',
    { '_dmarc.example.com': { TXT: ['v=DMARC1; p=none', 'v=DMARC1; p=reject'] } },
    /^error: _dmarc\.example\.com: there are 2 DMARC records/,
  ],
  [
    'a policy that is none',
    { '_dmarc.example.com': { TXT: ['v=DMARC1; p=rejct'] } },
    /^error: _dmarc\.example\.com: p="rejct" is no policy/,
  ],
  [
    'a key that is too short',
    { 'mail._domainkey.example.com': { TXT: [`v=DKIM1; p=${rsa(512)}`] } },
    /^error: mail\._domainkey\.example\.com: the key has 512 bits/,
  ],
  [
    'a key that is short',
    { 'mail._domainkey.example.com': { TXT: [`v=DKIM1; p=${rsa(1024)}`] } },
    /^warning: mail\._domainkey\.example\.com: the key has 1024 bits/,
  ],
  ['a good key', { 'mail._domainkey.example.com': { TXT: [`v=DKIM1; k=rsa; p=${rsa(2048)}`] } }, /^good: /],
];
for (const [what, zone, said] of recordTable) {
  test(`records: ${what}`, async (t) => {
    const { doctor } = await installation(t, { zone: { ...goodZone, ...zone } });
    assert.match(linesOf(await doctor(), 'records').join('\n'), said);
  });
}

test('no key at all, and the policy of the domain above', async (t) => {
  const { 'other._domainkey.example.com': _, ...zone } = goodZone;
  const markers = ['sub.example.com/users/valid/alice'];
  const sub = { 'sub.example.com': { MX: [[10, name] as const], TXT: ['v=spf1 -all'] } };
  const { doctor } = await installation(t, { markers, zone: { ...zone, ...sub } });
  assert.deepEqual(linesOf(await doctor(), 'records'), [
    'warning: sub.example.com: there is no DKIM key, for _domainkey.sub.example.com does not exist',
  ]);
});

test('folders: not there, not writable for the user, full, read-only', async (t) => {
  if (!needPeer(t, 'tmpfs')) return;
  const mounts = mkdtempSync(join(tmpdir(), 'postern-mounts-'));
  t.after(() => {
    spawnSync('umount', [join(mounts, 'full'), join(mounts, 'locked')]);
    rmSync(mounts, { recursive: true });
  });
  const mount = (folder: string, options: string): void => {
    mkdirSync(join(mounts, folder));
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', join(mounts, folder)]);
  };
  const { root, doctor } = await installation(t);
  mount('full', 'size=1m');
  mount('locked', 'size=1g,ro');
  writeFileSync(join(mounts, 'full', 'file'), Buffer.alloc(1_000_000));
  chownSync(join(root, 'srv'), 0, 0);
  chmodSync(join(root, 'srv'), 0o700);
  const found = linesOf(await doctor(`--spam=${mounts}/full`, `--state=${mounts}/locked`), 'folders');
  assert.match(found[1] ?? '', /^error: spam = \S+\/full has \d+ kB left: what cannot be kept is deferred/);
  assert.match(found[2] ?? '', /^error: state = \S+\/locked is on a file system that is mounted read-only$/);
  const asNobody = linesOf(await doctor('--user=nobody', `--state=${root}/none`), 'folders');
  assert.match(asNobody[0] ?? '', /^error: nobody may not read srv = /);
  assert.match(asNobody[1] ?? '', /^error: nobody may not write to spam = /);
  assert.match(asNobody[2] ?? '', /^note: state = \S+\/none is not there yet$/);
});

test('folders that cannot be looked at are told, and the others are looked at all the same', async (t) => {
  const { root, doctor } = await installation(t);
  symlinkSync('loop', join(root, 'loop'));
  const found = await doctor(`--spam=${root}/loop`, `--state=${root}/loop/state`);
  assert.equal(found.code, 1);
  const [srv = '', ...others] = linesOf(found, 'folders');
  assert.match(srv, /^good: /);
  assert.equal(others.length, 2);
  for (const other of others) assert.match(other, /^error: \w+ = \S+ cannot be looked at: ELOOP/);
  assert.match(linesOf(found, 'clock')[0] ?? '', /^note: no kept mail tells whether it is right: ELOOP/);
  assert.ok(linesOf(found, 'domain').length > 0);
});

test('the clock: a mail that was kept tomorrow', async (t) => {
  const { root, doctor } = await installation(t);
  assert.match(linesOf(await doctor(), 'clock')[0] ?? '', /^good: /);
  const folder = join(root, 'spam/1/example.com');
  for (const part of ['new', 'cur', 'tmp']) mkdirSync(join(folder, part), { recursive: true });
  const time = new Date(Date.now() + 86_400_000).toISOString();
  writeFileSync(
    join(folder, 'index'),
    `${JSON.stringify({ time, from: '', recipient: 'a@example.com', filename: 'x' })}\n`,
  );
  const found = await doctor();
  assert.equal(found.code, 1);
  assert.match(linesOf(found, 'clock')[0] ?? '', /^error: the clock says .* but a mail was kept at /);
});

test('the predecessor’s expire-quarantine in a crontab is found, and not in a comment', async (t) => {
  const { root } = await installation(t);
  mkdirSync(join(root, 'cron.daily'));
  writeFileSync(join(root, 'crontab'), '# 1 0 * * * root expire-quarantine\n1 0 * * * root /usr/bin/other\n');
  writeFileSync(join(root, 'cron.daily', 'quarantine'), '#!/bin/sh\nexec /opt/mail/expire-quarantine 30\n');
  const found = [...oldExpiry([join(root, 'crontab'), join(root, 'cron.daily'), join(root, 'none')])];
  assert.deepEqual(
    found.map(({ severity, text }) => [severity, text.split(' ')[0]]),
    [['error', join(root, 'cron.daily', 'quarantine')]],
  );
});
