/**
 * The submission policy as its users have it: a process told by environment, own domains in a real slapd, a name
 * server, and for an MTA the miltertest programs that sos-milter brings (which only print, while these assert), and a
 * real Postfix.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { FakeServer } from '../dns/support/fake-server.js';
import { MilterChild } from '../cli/support/milter-child.js';
import { SmtpClient } from '../../src/trial/smtp-client.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { freePort } from '../support/free-port.js';
import { Postfix } from '../support/postfix.js';
import { base, reader, Slapd } from '../support/slapd.js';
import { zoneServer } from '../support/zone-server.js';

const injection = 'x)(associateddomain=*.test';

const zone = {
  'own.test': { TXT: ['v=spf1 mx -all'] },
  'own-good.test': { TXT: ['v=spf1 include:us.test -all'] },
  'foreign.test': { TXT: ['v=spf1 mx -all'] },
  'redirect.test': { TXT: ['v=spf1 redirect=_spf.redirect.test'] },
  '_spf.redirect.test': { TXT: ['v=spf1 include:us.test -all'] },
  'redirect-strict.test': { TXT: ['v=spf1 redirect=foreign.test'] },
  'byip.test': { TXT: ['v=spf1 ip4:198.51.100.0/24 -all'] },
  'broken-dns.test': 'servfail',
  [injection]: { TXT: ['v=spf1 mx -all'] },
  'xn--bcher-kva.test': { TXT: ['v=spf1 mx -all'] },
} as const;

const folder = mkdtempSync(join(tmpdir(), 'postern-submission-'));
chmodSync(folder, 0o755);
const peers = ['slapd', 'openssl', 'miltertest'];
const children: MilterChild[] = [];
let slapd: Slapd;
let dns: FakeServer;

before(async () => {
  if (!peers.every(hasPeer)) return;
  slapd = await Slapd.start({ domains: ['own.test', 'own-good.test'], closed: true });
  dns = await zoneServer(zone);
});
after(async () => {
  await Promise.all(children.map((child) => child.stop()));
  await slapd?.close();
  await dns?.close();
  rmSync(folder, { recursive: true, force: true });
});

type Env = Readonly<Record<string, string>>;

const directory = (): Env => ({
  LDAP_ENABLED: 'true',
  LDAP_SERVER_URI: slapd.secureUri,
  LDAP_CA_FILE: slapd.caFile,
  LDAP_SEARCH_BASE: base,
  LDAP_QUERY_FILTER: '(&(objectClass=domainRelatedObject)(associatedDomain=%d))',
  LDAP_BINDDN: reader.dn,
  LDAP_BINDPW: reader.password,
});

let last = 0;

interface Running {
  readonly child: MilterChild;
  readonly socket: string;
}

async function start(env: Env = {}): Promise<Running> {
  const socket = join(folder, `socket${++last}`);
  const child = new MilterChild(['--policy', 'submission'], {
    ...directory(),
    MILTER_SOCKET: socket,
    MILTER_SOCKET_MODE: '0666',
    SPF_REGEX: '^.*include:us\\.test.*$',
    IGNORED_NEXT_HOPS: 'relay.test, [127.0.0.1]:26',
    OUTGOING_IPS: '198.51.100.1',
    DNS_SERVERS: dns.address,
    LOG_LEVEL: 'debug',
    LOG_FORMAT: 'json',
    STOP_TIMEOUT: '1s',
    ...env,
  });
  children.push(child);
  await child.out(/"ready"/);
  return { child, socket };
}

/** What is said at the end of a mail, as miltertest sees it. */
type End = 'continue' | 'marked' | 'refused' | 'deferred';

interface Mail {
  readonly from: string;
  /** {rcpt_host} of each recipient. */
  readonly hops?: readonly string[];
  readonly end: End;
}

/** One connection, these mails through it; without CONNECT and HELO, as in sos-milter's programs. */
function program(mails: readonly Mail[]): string {
  const lines = [
    'conn = mt.connect(socket, 5, 0.1)',
    'if conn == nil then error "mt.connect" end',
    'mt.set_timeout(20)',
  ];
  for (const [i, { from, hops = ['next.test'], end }] of mails.entries()) {
    const say = (call: string, reply: string): void =>
      void lines.push(
        `if ${call} ~= nil then error "${i}: ${call.split('(')[0]}" end`,
        `if mt.getreply(conn) ~= ${reply} then error("${i}: ${call.split('(')[0]} was answered " .. mt.getreply(conn)) end`,
      );
    lines.push(`mt.macro(conn, SMFIC_MAIL, "{client_addr}", "127.128.129.130")`);
    say(`mt.mailfrom(conn, [[<${from}>]])`, 'SMFIR_CONTINUE');
    for (const hop of hops) {
      lines.push(`mt.macro(conn, SMFIC_RCPT, "i", "TestQueueId-${i}", "{rcpt_host}", "${hop}")`);
      say('mt.rcptto(conn, "<some@recipient.test>")', 'SMFIR_CONTINUE');
    }
    say('mt.eom(conn)', end === 'refused' || end === 'deferred' ? 'SMFIR_REPLYCODE' : 'SMFIR_CONTINUE');
    const check = (call: string, expected: boolean): void =>
      void lines.push(`if (${call}) ~= ${expected} then error([[${i}: ${call}]]) end`);
    check('mt.eom_check(conn, MT_HDRADD, "X-SOS-Milter", "failed SPF-expectation")', end === 'marked');
  }
  return [...lines, 'mt.disconnect(conn)', 'mt.echo("done")', ''].join('\n');
}

/** Not waited for in place: the name server it depends on is in this process. */
async function miltertest(socket: string, mails: readonly Mail[]): Promise<string> {
  const file = join(folder, `program${++last}.lua`);
  writeFileSync(file, program(mails));
  const child = spawn('miltertest', ['-D', `socket=unix:${socket}`, '-s', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (octets: Buffer) => (said += octets.toString()));
  await once(child, 'close');
  return said.trim();
}

const programs: readonly [what: string, env: Env, mails: readonly Mail[]][] = [
  ['a normal sender, an own domain that fails', {}, [{ from: 'info@own.test', end: 'marked' }]],
  ['an own domain that is in order', {}, [{ from: 'info@own-good.test', end: 'continue' }]],
  ['a foreign domain in test mode', {}, [{ from: 'info@foreign.test', end: 'continue' }]],
  ['a foreign domain in reject mode', { MILTER_MODE: 'reject' }, [{ from: 'info@foreign.test', end: 'refused' }]],
  ['the null sender', { MILTER_MODE: 'reject' }, [{ from: '', end: 'continue' }]],
  ['a redirected record', { MILTER_MODE: 'reject' }, [{ from: 'a@redirect.test', end: 'continue' }]],
  ['a redirected record that fails', { MILTER_MODE: 'reject' }, [{ from: 'a@redirect-strict.test', end: 'refused' }]],
  ['a record that knows our address', { MILTER_MODE: 'reject' }, [{ from: 'a@byip.test', end: 'continue' }]],
  ['a name server that fails, in test mode', {}, [{ from: 'a@broken-dns.test', end: 'continue' }]],
  [
    'a name server that fails, in reject mode',
    { MILTER_MODE: 'reject' },
    [{ from: 'a@broken-dns.test', end: 'deferred' }],
  ],
  [
    'a connection that is used again, in reject mode',
    { MILTER_MODE: 'reject' },
    [
      { from: 'a@foreign.test', hops: ['relay.test'], end: 'continue' },
      { from: 'a@foreign.test', hops: ['relay.test', 'next.test'], end: 'refused' },
      { from: 'a@foreign.test', hops: ['next.test', 'relay.test'], end: 'refused' },
      { from: '', end: 'continue' },
      { from: 'a@redirect.test', end: 'continue' },
      { from: 'a@own.test', end: 'refused' },
    ],
  ],
  [
    'fault: a domain that is a filter is no own domain',
    {},
    [
      { from: `a@${injection}`, end: 'continue' },
      { from: 'a@*.test', end: 'continue' },
      { from: 'a@own.test', end: 'marked' },
    ],
  ],
];
for (const [what, env, mails] of programs)
  test(`miltertest: ${what}`, async (t) => {
    if (!needPeer(t, ...peers)) return;
    const { child, socket } = await start(env);
    assert.equal(await miltertest(socket, mails), 'done');
    await child.stop();
    const actions = [...child.stdout.matchAll(/"action":"(\w+)"|DNS failed: (450)/g)].map(
      ([, action, code]) => action ?? code,
    );
    const expected = mails.filter(({ end }) => end !== 'continue').map(({ end }) => (end === 'deferred' ? '450' : end));
    assert.deepEqual(
      actions.filter((action) => action !== 'passed'),
      expected,
    );
    assert.doesNotMatch(child.stdout + child.stderr, /ëad-ör|a bug/);
  });

test('fault: the directory was asked for the filter as a value, and said no', async (t) => {
  if (!needPeer(t, ...peers)) return;
  const { child, socket } = await start();
  assert.equal(await miltertest(socket, [{ from: `a@${injection}`, end: 'continue' }]), 'done');
  await child.out(/"msg":"not permitted/);
  const line = child.stdout.split('\n').find((one) => one.includes('"msg":"not permitted')) ?? '{}';
  const { of, domain } = JSON.parse(line) as { of?: string; domain?: string };
  assert.deepEqual([of, domain], ['foreign', injection]);
  await child.stop();
});

test('values that sos-milter’s own documents have are taken, with a warning each', async (t) => {
  if (!needPeer(t, ...peers)) return;
  const env = { LDAP_ENABLED: 'yepp', LOG_LEVEL: 'trace', MILTER_MODE: 'testing', MILTER_NAME: 'SOS Milter' };
  const { child, socket } = await start(env);
  assert.equal(await miltertest(socket, [{ from: 'a@own.test', end: 'marked' }]), 'done');
  await child.stop();
  const warnings = [...child.stdout.matchAll(/"level":40.*"msg":"(\w+): /g)].map(([, name]) => name);
  assert.deepEqual(warnings, ['LDAP_ENABLED', 'LOG_LEVEL', 'MILTER_MODE']);
});

test('slapd is killed and started again in the middle: no mail is lost, and own domains are known again', async (t) => {
  if (!needPeer(t, ...peers)) return;
  const { child, socket } = await start({ LDAP_CACHE: '0', LDAP_CACHE_NEGATIVE: '0' });
  assert.equal(await miltertest(socket, [{ from: 'a@own.test', end: 'marked' }]), 'done');
  await slapd.kill();
  assert.equal(await miltertest(socket, [{ from: 'a@own.test', end: 'continue' }]), 'done');
  await child.out(/the directory does not say whose domain it is/);
  await slapd.restart();
  let seen = '';
  for (let i = 0; i < 50 && seen !== 'done'; i++) {
    seen = await miltertest(socket, [{ from: 'a@own.test', end: 'marked' }]);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(seen, 'done');
  await child.stop();
});

const badStarts: readonly [what: string, env: () => Env, expected: RegExp][] = [
  ['a wrong password', () => ({ LDAP_BINDPW: 'geheim' }), /^postern: LDAP_BINDDN: ldaps:/],
  ['a wrong base', () => ({ LDAP_SEARCH_BASE: `ou=gone,${base}` }), /^postern: LDAP_SEARCH_BASE: /],
  [
    'a server that is not there',
    () => ({ LDAP_SERVER_URI: 'ldap://127.0.0.1:9' }),
    /^postern: LDAP_SERVER_URI: .*ECONNREFUSED/,
  ],
  ['a CA that is not theirs', () => ({ LDAP_CA_FILE: '' }), /^postern: LDAP_CA_FILE: ldaps:/],
  ['half a filter', () => ({ LDAP_QUERY_FILTER: '(dc=x' }), /^postern: LDAP_QUERY_FILTER: /],
  ['a bad expression', () => ({ SPF_REGEX: '*' }), /^postern: SPF_REGEX: /],
];
for (const [what, env, expected] of badStarts)
  test(`no start: ${what}`, async (t) => {
    if (!needPeer(t, ...peers)) return;
    const socket = join(folder, 'none');
    const child = new MilterChild(['--policy', 'submission'], { ...directory(), MILTER_SOCKET: socket, ...env() });
    assert.match(String(await child.exited), /^(?:69|78)$/);
    assert.match(child.stderr, expected);
    assert.equal(child.stderr.trimEnd().split('\n').length, 1);
    assert.doesNotMatch(child.stderr + child.stdout, /geheim|ëad-ör/);
  });

test('health, numbers, and the summary that says whether reject mode may be dared', async (t) => {
  if (!needPeer(t, ...peers)) return;
  const port = await freePort();
  const { child, socket } = await start({ METRICS: `127.0.0.1:${port}` });
  const mails: Mail[] = [
    { from: 'a@own.test', end: 'marked' },
    { from: 'a@foreign.test', end: 'continue' },
    { from: 'b@foreign.test', end: 'continue' },
    { from: 'b@own-good.test', end: 'continue' },
  ];
  assert.equal(await miltertest(socket, mails), 'done');
  const get = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  assert.equal(await get('/readyz'), 'ok\n');
  const numbers = await get('/metrics');
  for (const line of [
    'postern_submission_violations_total{domain="own",action="marked"} 1',
    'postern_submission_violations_total{domain="foreign",action="passed"} 2',
    'postern_submission_messages_total{outcome="permitted"} 1',
    'postern_directory_answers_total{answer="found"} 1',
  ])
    assert.ok(numbers.includes(`${line}\n`), numbers);
  child.kill('SIGUSR1');
  await child.out(/"summary"/);
  const summary = JSON.parse(child.stdout.split('\n').find((line) => line.includes('"summary"')) ?? '{}') as object;
  assert.deepEqual(
    { ...summary, level: 0, time: 0, pid: 0 },
    {
      level: 0,
      time: 0,
      pid: 0,
      msg: 'summary',
      messages: 4,
      violations: { own: 1, foreign: 2 },
      top: [
        { domain: 'foreign.test', of: 'foreign', count: 2 },
        { domain: 'own.test', of: 'own', count: 1 },
      ],
    },
  );
  assert.equal(await child.stop(), 0);
});

/** A mail through Postfix; the reply to its end. */
async function submit(port: number, from: string, to: readonly string[]): Promise<string> {
  const client = new SmtpClient('127.0.0.1', port);
  await client.reply();
  for (const line of ['EHLO client.test', `MAIL FROM:<${from}>`, ...to.map((one) => `RCPT TO:<${one}>`)])
    assert.match(await client.say(line), /^2/);
  assert.match(await client.say('DATA'), /^354/);
  const reply = await client.say('Subject: x\r\n\r\ntext\r\n.');
  await client.say('QUIT');
  return reply;
}

test('Postfix: every recipient’s {rcpt_host} as its transport sets it, the queue id, refusal and mark', async (t) => {
  if (!needPeer(t, ...peers, 'postfix')) return;
  const words = 'Ask your provider. '.repeat(30);
  const reject = await start({ MILTER_MODE: 'reject', MILTER_REJECT_MESSAGE: words });
  const marks = await start();
  const transport = join(folder, 'transport');
  writeFileSync(transport, 'relayed.test relay:[127.0.0.1]:26\nlocal.test virtual:\n');
  const postfix = (socket: string): Promise<Postfix> =>
    Postfix.start({
      domains: ['local.test'],
      recipients: ['x@local.test', 'marked@local.test', 'plain@local.test'],
      settings: [
        `smtpd_milters = unix:${socket}`,
        `transport_maps = texthash:${transport}`,
        'relay_transport = discard:',
      ],
    });
  const refusing = await postfix(reject.socket);
  const marking = await postfix(marks.socket);
  try {
    const refused = await submit(refusing.port, 'a@foreign.test', ['x@local.test']);
    const id = /^550-5\.7\.1 sos-milter: ([0-9A-F]+) SPF-record \(-all\) of 5321_from_domain=foreign\.test /.exec(
      refused,
    )?.[1];
    assert.ok(id !== undefined, refused);
    await refusing.until(() => refusing.log.includes(`${id}: milter-reject`));
    const lines = refused.split(/\r?\n/);
    assert.ok(
      lines.every((line) => line.length <= 510) && refused.match(/Ask your provider\./g)?.length === 30,
      refused,
    );
    assert.match(await submit(refusing.port, 'a@own-good.test', ['x@local.test']), /^250 /);
    assert.match(await submit(refusing.port, 'a@byip.test', ['x@local.test']), /^250 /);
    assert.match(await submit(refusing.port, '', ['x@local.test']), /^250 /);
    assert.match(await submit(refusing.port, 'a@foreign.test', ['x@relayed.test']), /^250 /);
    assert.match(await submit(refusing.port, 'a@foreign.test', ['x@local.test', 'x@relayed.test']), /^550-/);
    assert.match(await submit(refusing.port, 'a@foreign.test', ['x@relayed.test', 'x@local.test']), /^550-/);
    assert.match(await submit(marking.port, 'a@own.test', ['marked@local.test']), /^250 /);
    assert.match(await submit(marking.port, 'a@foreign.test', ['plain@local.test']), /^250 /);
    await marking.until(() => marking.delivered.length === 2);
    const texts = Object.fromEntries(marking.delivered.map(({ mailbox, text }) => [mailbox, text]));
    assert.match(texts['local.test/marked'] ?? '', /^X-SOS-Milter: failed SPF-expectation$/m);
    assert.doesNotMatch(texts['local.test/plain'] ?? 'X-SOS-Milter', /X-SOS-Milter/);
    assert.match(reject.child.stdout, /"client":"127\.0\.0\.1"/);
  } finally {
    await Promise.all([refusing.close(), marking.close()]);
  }
});
