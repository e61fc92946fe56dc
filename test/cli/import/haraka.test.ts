/** Haraka's configuration, file by file: what each becomes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { harakaPlugins } from '../../../src/cli/import/from/haraka-plugins.js';
import { NewHome } from './support.js';

const hosted = { plugins: '', host_list: 'example.com\n' };

/** [what, files beside host_list, markers of it, settings, words of the output] */
const table: readonly (readonly [
  what: string,
  files: Readonly<Record<string, string>>,
  markers: readonly string[],
  settings: readonly string[],
  said?: RegExp,
])[] = [
  ['host_list', {}, ['example.com/users/valid/*'], []],
  [
    'a pattern of hosts',
    { host_list_regex: '.*\\.example\n' },
    [],
    [],
    /host_list_regex:1: .*has a folder of its own name/,
  ],
  [
    'me, nodes, size',
    {
      me: 'mx.example.com\n',
      'smtp.ini': 'nodes=cpus\nlisten=[::0]:25\ninactivity_timeout=300\n',
      databytes: '1000000\n',
    },
    [],
    ['hostname = mx.example.com', 'listen = *:25', 'workers = auto', 'command_timeout = 300s', 'max_size = 1000000'],
  ],
  [
    '[max] bytes and proxies',
    { 'connection.ini': '[haproxy]\nhosts[] =\nhosts[] = 192.0.2.4\nhosts[] = [2001:db8::1]\n[max]\nbytes=26214400\n' },
    [],
    ['max_size = 26214400', 'proxy_networks = 192.0.2.4, 2001:db8::1'],
  ],
  ['spf, helo.checks', { plugins: 'spf\nhelo.checks\n' }, ['example.com/checks/helo', 'example.com/checks/spf'], []],
  [
    'dns-list with codes',
    {
      plugins: 'dns-list\n',
      'dns-list.ini':
        'zones[]=zen.spamhaus.org\nzones[]=list.dnswl.org\n[zen.spamhaus.org]\nipv6=false\n127.0.0.2=SBL\n127.0.0.4=XBL\n',
    },
    ['example.com/zones=zen.spamhaus.org=127.0.0.2,127.0.0.4\n'],
    [],
    /list\.dnswl\.org: it says whom to trust/,
  ],
  [
    'dnsbl of old',
    {
      plugins: 'dnsbl\n',
      'dnsbl.zones': 'bl.example.org\n',
      'dnsbl.ini': 'zones = bl2.example.org; bl3.example.org\n',
    },
    ['example.com/zones=bl2.example.org\n'],
    [],
  ],
  [
    'sender lists',
    {
      plugins: 'access\n',
      'mail_from.access.blacklist': 'Spam@x.example\n@evil.example\n',
      'mail_from.access.whitelist': 'friend@y.example\n',
    },
    [
      '_global_/blacklisted/domains/evil.example',
      '_global_/blacklisted/senders/spam@x.example',
      '_global_/whitelisted/senders/friend@y.example',
    ],
    [],
  ],
  [
    'client lists',
    {
      plugins: 'access\n',
      'connect.rdns_access.blacklist': '192.0.2.7\nbad.example.net\n',
      'connect.rdns_access.whitelist': '192.0.2.8\n',
    },
    [
      '_global_/blacklisted/hosts/bad.example.net',
      '_global_/blacklisted/ips/192.0.2.7',
      '_global_/whitelisted/ips/192.0.2.8',
    ],
    [],
  ],
  [
    'recipient lists',
    {
      plugins: 'access\n',
      'rcpt_to.access.blacklist': 'old@example.com\n',
      'rcpt_to.access.whitelist': 'abuse@example.com\n',
    },
    ['example.com/users/invalid/old', 'example.com/whitelisted/recipients/abuse'],
    [],
  ],
  [
    'access.domains',
    { plugins: 'access\n', 'access.domains': 'aol.example\n!friend@aol.example\n' },
    ['_global_/blacklisted/domains/aol.example', '_global_/whitelisted/senders/friend@aol.example'],
    [],
  ],
  [
    'where mail goes',
    { plugins: 'queue/smtp_proxy\n', 'smtp_proxy.ini': 'host=localhost\nport=2555\n' },
    [],
    ['relay = 127.0.0.1:2555'],
  ],
  [
    'domains with a host of their own',
    {
      plugins: 'queue/smtp_forward\n',
      'smtp_forward.ini': 'host=localhost\nport=2555\n[example.com]\nhost=192.0.2.9\n[other.example]\nhost=192.0.2.8\n',
    },
    ['example.com/relay'],
    ['relay = 127.0.0.1:2555'],
  ],
  ['LMTP', { plugins: 'queue/lmtp\n', 'lmtp.ini': '[main]\nhost=127.0.0.1\n' }, [], ['relay = lmtp:127.0.0.1:24']],
  [
    'links, hasty clients, fields',
    {
      plugins: 'uribl\nheaders\nmail_from.is_resolvable\n',
      'uribl.ini': 'timeout = 30\n[multi.surbl.org]\nbitmask=1\n',
    },
    [
      'example.com/checks/address',
      'example.com/checks/headers',
      'example.com/checks/sender_domain',
      'example.com/uri_zones',
    ],
    [],
  ],
  [
    'limits',
    { plugins: 'limit\n', 'limit.ini': '[concurrency]\nmax=3\n[errors]\nmax=10\n' },
    [],
    ['max_connections_per_ip = 3', 'max_errors = 10'],
  ],
  [
    'relaying',
    { plugins: 'relay\n', relay_acl_allow: '192.0.2.0/24\nnonsense\n' },
    [],
    ['relay_networks = 192.0.2.0/24'],
    /"nonsense" is no address and no network/,
  ],
  [
    'a plugin of somebody’s own',
    { plugins: 'my_own\n' },
    [],
    [],
    /my_own: is no plugin of Haraka’s own: docs\/writing-plugins\.md/,
  ],
  [
    'names that every object of JavaScript has',
    { plugins: '__proto__\nconstructor\n' },
    [],
    [],
    /__proto__: is no plugin of Haraka’s own.*\n.*constructor: is no plugin of Haraka’s own/,
  ],
];

for (const [what, files, markers, settings, said] of table)
  test(`Haraka: ${what}`, async (t) => {
    const home = new NewHome();
    t.after(() => home.remove());
    const { code, stdout, stderr } = await home.import('haraka', home.old({ ...hosted, ...files }), '--apply');
    assert.equal(code, 0, stderr);
    const made = home.markers();
    for (const marker of markers) {
      const [path = '', ...text] = marker.split(/(?<=\/zones)=/);
      assert.ok(made.includes(path), `${path} is not among\n${made.join('\n')}`);
      if (text.length > 0) assert.ok(home.text(`srv/${path}`).startsWith(text.join('=')), home.text(`srv/${path}`));
    }
    assert.deepEqual(home.settings(), settings);
    if (said) assert.match(stdout, said);
  });

/** Those of Haraka 3.3's own config/plugins, # taken away. */
const shipped = `status process_title syslog toobusy karma relay access geoip asn fcrdns dns-list early_talker helo.checks tls
  auth/flat_file auth/auth_proxy mail_from.is_resolvable spf rcpt_to.in_host_list qmail-deliverable attachment bounce clamd dkim
  headers limit rspamd spamassassin uribl queue/smtp_forward queue/discard queue/qmail-queue queue/quarantine queue/smtp_proxy`;

test('each plugin that Haraka’s list has is known by name', () => {
  for (const name of shipped.split(/\s+/)) assert.ok(Object.hasOwn(harakaPlugins, name), name);
});
