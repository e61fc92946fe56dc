/** A Postfix that has port 25: its domains, users, tables, restrictions and postscreen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needPeer } from '../../support/peers.js';
import { NewHome } from './support.js';

const master = 'smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n  -o smtpd_tls_security_level=encrypt\n';
const postscreenMaster = 'smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n  -o smtpd_hard_error_limit=7\n';
const one = 'virtual_mailbox_domains = example.com\n';

/** Each parameter is ten times the next one. */
function grownFrom(name: string, count: number): string {
  const lines = Array.from({ length: count }, (_, i) => `${name}${i} = ${`$${name}${i + 1}`.repeat(10)}\n`);
  return `${lines.join('')}${name}${count} = x\n`;
}

/** [what, main.cf, other files, markers, settings, words of the output] */
const table: readonly (readonly [
  what: string,
  main: string,
  files: Readonly<Record<string, string>>,
  markers: readonly string[],
  settings: readonly string[],
  said?: RegExp,
])[] = [
  [
    'names in mydestination, with parameters in them',
    'mydomain = example.com\nmyhostname = mx.$mydomain\nmydestination = $myhostname, ${mydomain}, localhost.$mydomain localhost\n',
    {},
    ['example.com/users/valid/*', 'mx.example.com/users/valid/*'],
    ['hostname = mx.example.com'],
    /mydestination: Postfix knows these users/,
  ],
  [
    'a Postfix as Debian installs it, without a domain',
    'myhostname = vm\nmydestination = $myhostname, vm, localhost.localdomain, , localhost\n',
    {},
    [],
    [],
    /main\.cf: no domain in it has a whole name: postern srv add-domain makes the first\n  main\.cf: myhostname = vm: set hostname to the whole name/,
  ],
  [
    'virtual mailboxes',
    'virtual_mailbox_domains = example.com\nvirtual_mailbox_maps = hash:$config_directory/vmailbox\n',
    {
      vmailbox:
        '# users\nalice@example.com example.com/alice/\nBob@Example.com\n  example.com/bob/\ncarol@other.example x\n',
    },
    [
      'example.com/users/valid/abuse',
      'example.com/users/valid/alice',
      'example.com/users/valid/bob',
      'example.com/users/valid/postmaster',
    ],
    [],
  ],
  [
    'a catch-all',
    'virtual_alias_domains = example.com\nvirtual_alias_maps = hash:virtual\n',
    { virtual: '@example.com anna@elsewhere.example\n' },
    ['example.com/users/valid/*'],
    [],
  ],
  [
    'domains that are the keys of virtual_alias_maps',
    'virtual_alias_maps = texthash:virtual\n',
    { virtual: 'example.com anything\nalice@example.com anna@elsewhere.example\n' },
    ['example.com/users/valid/alice'],
    [],
  ],
  [
    'users in a database',
    'relay_domains = example.com\nrelay_recipient_maps = proxy:mysql:/etc/postfix/users.cf\n',
    {},
    ['example.com/users/valid/*'],
    [],
    /valid_users ahead in the list of plugins asks it/,
  ],
  [
    'domains in a file',
    'relay_domains = /FOLDER/relays\n',
    { relays: 'example.com OK\nexample.net OK\n' },
    ['example.com/users/valid/*', 'example.net/users/valid/*'],
    [],
  ],
  [
    'limits and certificates',
    `${one}message_size_limit = 50000000\nsmtpd_recipient_limit = 200\nsmtpd_client_connection_count_limit = 10\nrecipient_delimiter = +\n`,
    {},
    [],
    ['max_size = 50000000', 'max_recipients = 200', 'max_connections_per_ip = 10', 'recipient_delimiter = +'],
  ],
  [
    'networks of our own',
    `${one}mynetworks = 127.0.0.0/8 [::1]/128 192.0.2.0/24, [2001:db8::]/32\n`,
    {},
    [],
    ['relay_networks = 192.0.2.0/24, 2001:db8::/32'],
    /permit_mynetworks before reject_unauth_destination/,
  ],
  [
    'checks',
    `${one}smtpd_helo_restrictions = reject_invalid_helo_hostname\nsmtpd_sender_restrictions = reject_non_fqdn_sender\nsmtpd_client_restrictions = permit_mynetworks,\n  reject_unknown_reverse_client_hostname\n`,
    {},
    ['example.com/checks/helo', 'example.com/checks/rdns', 'example.com/checks/sender'],
    [],
  ],
  [
    'DNS lists',
    `${one}smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.[2..4], reject_rhsbl_sender dbl.spamhaus.org\n`,
    {},
    ['example.com/domain_zones', 'example.com/zones'],
    [],
  ],
  [
    'policy services',
    `${one}smtpd_recipient_restrictions = check_policy_service unix:private/policyd-spf, check_policy_service inet:127.0.0.1:10023, check_policy_service inet:127.0.0.1:9\n`,
    {},
    ['example.com/checks/greylisting', 'example.com/checks/spf'],
    [],
    /inet:127\.0\.0\.1:9: no policy service is asked/,
  ],
  [
    'a table of clients',
    `${one}smtpd_client_restrictions = check_client_access hash:clients, check_client_access cidr:nets\n`,
    {
      clients:
        '192.0.2.7 REJECT go away\n10.1 REJECT\nbad.example.net 554 no\n192.0.2.8 OK\n192.0.2.9 DUNNO\nfriend.example OK\n192.0.2.3 HOLD\n',
      nets: '198.51.100.0/24 REJECT\n2001:db8:bad::/48 REJECT\n',
    },
    [
      '_global_/blacklisted/hosts/bad.example.net',
      '_global_/blacklisted/ips/10.1.0.0_16',
      '_global_/blacklisted/ips/192.0.2.7',
      '_global_/blacklisted/ips/198.51.100.0_24',
      '_global_/blacklisted/ips/2001:db8:bad::_48',
      '_global_/whitelisted/ips/192.0.2.8',
    ],
    [],
    /friend\.example: clients are whitelisted by address/,
  ],
  [
    'tables of senders and recipients',
    `${one}smtpd_recipient_restrictions = check_sender_access hash:senders, check_recipient_access hash:rcpts\n`,
    {
      senders: 'spam@x.example REJECT\nevil.example REJECT\ngood.example OK\nuser@ REJECT\n',
      rcpts: 'old@example.com 550 gone\nabuse@example.com OK\n',
    },
    [
      '_global_/blacklisted/domains/evil.example',
      '_global_/blacklisted/senders/spam@x.example',
      '_global_/whitelisted/domains/good.example',
      'example.com/users/invalid/old',
      'example.com/whitelisted/recipients/abuse',
    ],
    [],
  ],
  [
    'patterns',
    `${one}smtpd_sender_restrictions = check_sender_access pcre:/etc/postfix/patterns\n`,
    {},
    [],
    [],
    /entries are names, not patterns/,
  ],
  [
    'parameters that go round in a circle',
    `${one}a = $b\nb = $a\nmyhostname = mx$a.example.com\n`,
    {},
    [],
    ['hostname = mx.example.com'],
  ],
  [
    'a parameter that would grow without end, and one that every object of JavaScript has',
    `myhostname = $a0\nmydestination = example.com$constructor\n${grownFrom('a', 19)}`,
    {},
    ['example.com/users/valid/*'],
    [],
    /myhostname/,
  ],
];

for (const [what, main, files, markers, settings, said] of table)
  test(`Postfix: ${what}`, async (t) => {
    const home = new NewHome();
    t.after(() => home.remove());
    const old = home.old({ 'main.cf': '', 'master.cf': master, ...files });
    home.write('old/main.cf', `config_directory = ${old}\n${main.replace('/FOLDER', old)}`);
    const { code, stdout, stderr } = await home.import('postfix', old, '--apply');
    assert.equal(code, 0, stderr);
    const made = home.markers();
    for (const marker of markers) assert.ok(made.includes(marker), `${marker} is not among\n${made.join('\n')}`);
    assert.deepEqual(home.settings(), settings);
    if (said) assert.match(stdout, said);
  });

test('Postfix: what an access table says of names below a domain is told', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const main = `${one}smtpd_sender_restrictions = check_sender_access hash:senders\n`;
  const { stdout } = await home.import('postfix', home.old({ 'main.cf': main, senders: 'evil.example REJECT\n' }));
  assert.match(stdout, /check_sender_access: a sender’s domain is compared whole/);
});

test('postscreen: weights are points, the threshold is the score, and ignore means log', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const main = `${one}postscreen_dnsbl_sites = zen.spamhaus.org=127.0.0.[2;4]*3 bl.example.org*2 list.dnswl.org=127.0.[0..255].[1..3]*-2
postscreen_dnsbl_threshold = 3
postscreen_greet_action = enforce
postscreen_access_list = permit_mynetworks, cidr:access
`;
  const old = home.old({ 'main.cf': main, 'master.cf': postscreenMaster, access: '203.0.113.0/24 reject\n' });
  await home.import('postfix', old, '--apply');
  assert.deepEqual(home.text('srv/example.com/zones').trimEnd().split('\n'), [
    'zen.spamhaus.org=127.0.0.[2;4]*3',
    'bl.example.org*2',
    'list.dnswl.org=127.0.[0..255].[1..3]*-2',
  ]);
  assert.equal(home.text('srv/example.com/score'), 'reject 3\n');
  assert.equal(home.text('srv/example.com/checks/score'), 'log\n');
  assert.ok(home.has('srv/_global_/blacklisted/ips/203.0.113.0_24'));
  assert.match(home.text('postern/plugins.list'), /^earlytalker delay=6s$/m);
  assert.equal(home.settings()[0], 'max_errors = 7');
  const lint = await home.run('srv', 'lint');
  assert.equal(lint.code, 0, lint.stdout);
});

test('postscreen: where each list rejects by itself, so does each line of zones', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const main = `${one}postscreen_dnsbl_sites = zen.spamhaus.org*2 bl.example.org\npostscreen_dnsbl_action = enforce\n`;
  await home.import('postfix', home.old({ 'main.cf': main, 'master.cf': postscreenMaster }), '--apply');
  assert.equal(home.text('srv/example.com/zones'), 'zen.spamhaus.org\nbl.example.org\n');
  assert.ok(!home.has('srv/example.com/score') && !home.has('srv/example.com/checks/dnsbl'));
});

test('filters of Postfix’s become lines of the list of plugins', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const main = `${one}smtpd_milters = inet:localhost:11332, unix:opendkim/opendkim.sock\n`;
  await home.import('postfix', home.old({ 'main.cf': main, 'master.cf': master }), '--apply');
  const list = home.text('postern/plugins.list');
  assert.match(list, /^milter inet:127\.0\.0\.1:11332 name=rspamd$/m);
  assert.match(list, /^milter unix:\/var\/spool\/postfix\/opendkim\/opendkim\.sock name=opendkim$/m);
  assert.equal((await home.run('check-config')).code, 0);
});

test('thousands of domains and users are read in one pass', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const main = 'virtual_mailbox_domains = hash:domains\nvirtual_mailbox_maps = hash:users\n';
  const domains = Array.from({ length: 2000 }, (_, i) => `d${i}.example OK\n`).join('');
  const users = Array.from({ length: 20_000 }, (_, i) => `u${i}@D${i % 2000}.example x/\n`).join('');
  const { code, stdout, stderr } = await home.import('postfix', home.old({ 'main.cf': main, domains, users }));
  assert.equal(code, 0, stderr);
  assert.equal(stdout.match(/\/users\/valid\/u\d+ /g)?.length, 20_000);
});

test('Debian’s own /etc/postfix is read without a complaint', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const home = new NewHome();
  t.after(() => home.remove());
  const { code, stdout, stderr } = await home.import('postfix');
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /master\.cf: port 25 is postern’s/);
});
