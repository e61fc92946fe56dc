/** The three milters and rspamd: their files as ours. */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../../src/cli/package-root.js';
import { loadMilterConfig } from '../../../src/cli/milter/verify-sender/config.js';
import { needPeer } from '../../support/peers.js';
import { NewHome } from './support.js';

/** As Debian ships it, without its comments. */
const debian = `debugLevel = 1 
TestOnly = 1
HELO_reject = Fail
Mail_From_reject = Fail
PermError_reject = False
TempError_Defer = False
skip_addresses = 127.0.0.0/8,::ffff:127.0.0.0/104,::1
# Socket = local:/run/pyspf-milter/pyspf-milter.sock
Socket = inet:8893@localhost
PidFile = /run/pyspf-milter/pyspf-milter.pid
UserID = pyspf-milter
InternalHosts = 127.0.0.1
`;

/** [what, lines, what the file of postern milter says] */
const table: readonly (readonly [what: string, lines: string, parameters: Readonly<Record<string, string>>])[] = [
  [
    'Debian’s own file',
    debian,
    {
      socket: 'inet:8893@localhost',
      reject_results: 'fail',
      reject_helo_results: 'fail',
      trusted_networks: '127.0.0.0/8, ::1, 127.0.0.1',
    },
  ],
  ['nothing said', '', { reject_results: 'fail', reject_helo_results: 'fail, softfail, neutral', verify_helo: 'yes' }],
  ['errors', 'PermError_reject = True\nTempError_Defer = True\n', { reject_results: 'fail, permerror, temperror' }],
  ['headers only', 'HELO_reject = False\nMail_From_reject = False\n', { reject_results: '', reject_helo_results: '' }],
  ['HELO is not checked', 'HELO_reject = No_Check\n', { verify_helo: 'no' }],
  ['a test run', 'TestOnly = 0\n', { dry_run: 'yes' }],
  [
    'names that are spared',
    'HELO_Whitelist = relay.example.com,sender.example.org\nDomain_Whitelist = pobox.com\nDomain_Whitelist_PTR = yahoo.com\n',
    { skip_helo_names: 'relay.example.com, sender.example.org', skip_forwarders: 'pobox.com, yahoo.com' },
  ],
  [
    'fields and limits',
    'Header_Type = AR\nAuthserv_Id = mx.example.com\nLookup_Time = 15\nVoid_Limit = 4\nProspective = 192.0.2.4\n',
    {
      header: 'Authentication-Results',
      authserv_id: 'mx.example.com',
      timeout_secs: '15',
      max_void_lookups: '4',
      prospective_ip: '192.0.2.4',
    },
  ],
];

for (const [what, lines, parameters] of table)
  test(`pyspf-milter: ${what}`, async (t) => {
    const home = new NewHome();
    t.after(() => home.remove());
    const to = join(home.root, 'spf-milter.conf');
    const { code, stdout, stderr } = await home.import(
      'pyspf-milter',
      home.write('old/x.conf', lines),
      `--to=${to}`,
      '--apply',
    );
    assert.equal(code, 0, stderr);
    assert.ok(stdout.includes('1 change made'), stdout);
    const said = Object.fromEntries(
      home
        .text('spf-milter.conf')
        .split('\n')
        .map((line) => line.split(/ =\s*/)),
    );
    for (const [name, value] of Object.entries(parameters)) assert.equal(said[name], value, name);
    assert.ok(loadMilterConfig({ file: to, options: [], readFile: (file) => readFileSync(file, 'utf8') }).ok);
  });

test('pyspf-milter: what has no like, and what is no option at all, is said', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const file = home.write('old/x.conf', 'Reject_Not_Pass_Domains = aol.com\nNonsense = 1\nSocket = nowhere\n');
  const { stdout } = await home.import('pyspf-milter', file, `--to=${join(home.root, 'to')}`, '--apply');
  assert.match(stdout, /reject_not_pass_domains: results are refused for all senders alike/);
  assert.match(stdout, /nonsense: is no option of pyspf-milter/);
  assert.match(stdout, /socket = nowhere/);
  assert.ok(!home.has('to'));
});

test('spf-milter’s file is copied as it is, and what is wrong in it is said', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const sample = readFileSync(join(packageRoot, 'packaging/spf-milter.conf'), 'utf8');
  const file = home.write('old/spf-milter.conf', `${sample}reject_results = fail\n`);
  const to = join(home.root, 'etc/spf-milter.conf');
  const first = await home.import('spf-milter', file, `--to=${to}`, '--apply');
  assert.equal(first.code, 0, first.stderr);
  assert.equal(home.text('etc/spf-milter.conf'), home.text('old/spf-milter.conf'));
  assert.match(
    (await home.import('spf-milter', file, `--to=${to}`, '--apply')).stdout,
    /\n0 changes made, 1 there already/,
  );
  home.write('old/spf-milter.conf', 'socket = inet:localhost:3000\nrejekt = x\n');
  const third = await home.import('spf-milter', file, `--to=${to}`, '--apply');
  assert.match(third.stdout, /rejekt is no parameter/);
  assert.match(third.stdout, /is left: it is there, and holds something else/);
});

test('sos-milter’s environment becomes a file that only root may read; what was understood otherwise is said', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const file = home.write(
    'old/env',
    `export MILTER_SOCKET="inet:8020"\nSPF_REGEX='^.*include:_spf\\.example\\.com.*$'\nLDAP_ENABLED=some_value\nLDAP_SERVER_URI=ldap://ldap.example.com\n` +
      `LDAP_SEARCH_BASE=dc=example,dc=com\nLDAP_QUERY_FILTER=(dc=%d)\nLDAP_BINDDN=cn=x\nLDAP_BINDPW=it's secret\n# comment\n`,
  );
  const to = join(home.root, 'etc/submission.env');
  const { code, stdout, stderr } = await home.import('sos-milter', file, `--to=${to}`, '--apply');
  assert.equal(code, 0, stderr);
  assert.equal(statSync(to).mode & 0o777, 0o600);
  assert.match(home.text('etc/submission.env'), /^SPF_REGEX='\^\.\*include:_spf\\\.example\\\.com\.\*\$'$/m);
  assert.match(stdout, /LDAP_ENABLED: "some_value" is understood as true/);
  assert.doesNotMatch(stdout, /secret/);
});

test('rspamd: greylisting and thresholds become lines of the list, and the check is on for all domains', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  home.write('srv/example.com/users/valid/*', '');
  const old = home.old({
    'modules.d/greylist.conf': 'greylist {\n  expire = 1d; # 1 day by default\n  timeout = 5min; # 5 minutes\n}\n',
    'local.d/greylist.conf': 'timeout = 300;\n',
    'local.d/actions.conf': 'reject = 20;\nadd_header = 8;\n',
  });
  const { code, stderr } = await home.import('rspamd', old, '--apply');
  assert.equal(code, 0, stderr);
  assert.ok(home.has('srv/example.com/checks/greylisting'));
  assert.match(home.text('postern/plugins.list'), /^greylisting delay=300s window=1d life=36d clients=5$/m);
  assert.match(home.text('postern/plugins.list'), /^rspamd 127\.0\.0\.1:11333 reject=20 mark=8$/m);
});

test('rspamd: greylisting that is off stays off', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  home.write('srv/example.com/users/valid/*', '');
  const { stdout } = await home.import(
    'rspamd',
    home.old({ 'local.d/greylist.conf': 'enabled = false;\n' }),
    '--apply',
  );
  assert.match(stdout, /greylist: is off/);
  assert.ok(!home.has('srv/example.com/checks/greylisting'));
});

test('rspamd: a folder of something else changes nothing, and blank lines are read in one pass', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const other = await home.import('rspamd', home.old({ 'main.cf': '' }), '--apply');
  assert.match(other.stdout, /rspamd\.conf: is not in .*: is it rspamd’s\?/);
  assert.deepEqual(home.settings(), []);
  const blank = `${'\n'.repeat(1_000_000)}timeout = 1min;\n`;
  const { stdout } = await home.import('rspamd', home.old({ 'local.d/greylist.conf': blank }));
  assert.match(stdout, /greylisting delay=1m /);
});

test('rspamd’s own /etc/rspamd, as Debian has it, is read as it is meant', async (t) => {
  if (!needPeer(t, 'rspamd')) return;
  const home = new NewHome();
  t.after(() => home.remove());
  home.write('srv/example.com/users/valid/*', '');
  const { code, stdout, stderr } = await home.import('rspamd');
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /\+ greylisting delay=5m window=1d life=36d clients=5 {2}# greylist\n/);
  assert.match(stdout, /\+ rspamd 127\.0\.0\.1:11333 reject=15 mark=6 {2}# actions\n/);
});
