/** ms-lite: its tree is taken as it is, its days are moved by one, its cron job is named first. */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ydayOf } from '../../../src/quarantine/disk/day.js';
import { NewHome } from './support.js';

test('markers that would never match are made under the name that does; what only a human knows is said', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  for (const marker of [
    'users/valid/Alice',
    'users/valid/bob',
    'checks/spf',
    'checks/nonsense',
    'blacklisted/ips/192.0.2.0',
  ])
    home.write(`srv/example.com/${marker}`, '');
  home.write('srv/_global_/blacklisted/tld/.ph', '');
  mkdirSync(join(home.root, 'outside/out.example/users/valid'), { recursive: true });
  symlinkSync(join(home.root, 'outside/out.example'), join(home.root, 'srv/out.example'));
  const { code, stdout, stderr } = await home.import('ms-lite', join(home.root, 'old'), '--apply');
  assert.equal(code, 0, stderr);
  assert.ok(home.has('srv/example.com/users/valid/alice') && home.has('srv/example.com/users/valid/Alice'));
  assert.ok(home.has('srv/_global_/blacklisted/tld/ph'));
  assert.match(
    stdout,
    /out\.example: is a link out of the tree: no hosted domain\. Move the folder into .* or mount it there/,
  );
  assert.match(stdout, /checks\/nonsense: does nothing: no plugin "nonsense"/);
  assert.match((await home.import('ms-lite', join(home.root, 'old'), '--apply')).stdout, /\n0 changes made/);
});

/** A mail that came that many days ago, in the folder of that name. */
function keep(home: NewHome, folder: number, daysAgo: number, name = 'mail'): void {
  const noon = new Date();
  noon.setHours(12, 0, 0, 0);
  noon.setDate(noon.getDate() - daysAgo);
  const file = home.write(`spam/${folder}/example.com/new/${name}`, 'Recipient: a@example.com\n\n');
  utimesSync(file, noon, noon);
}

const ydayAgo = (days: number): number => {
  const noon = new Date();
  noon.setHours(12, 0, 0, 0);
  noon.setDate(noon.getDate() - days);
  return ydayOf(noon);
};

test('days that were counted from 0 are moved by one, once, and those that count from 1 stay', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  for (const days of [3, 4, 5]) keep(home, ydayAgo(days) - 1, days);
  keep(home, ydayAgo(100), 100);
  const first = await home.import('ms-lite', join(home.root, 'old'), '--apply');
  assert.equal(first.code, 0, first.stderr);
  for (const days of [3, 4, 5, 100]) assert.ok(home.has(`spam/${ydayAgo(days)}/example.com/new/mail`), String(days));
  const before = home.everything();
  await home.import('ms-lite', join(home.root, 'old'), '--apply');
  assert.equal(home.everything(), before);
});

test('a day that both have written to is left to its operator', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  keep(home, ydayAgo(10) - 1, 10);
  keep(home, ydayAgo(10), 10, 'ours');
  const { stdout } = await home.import('ms-lite', join(home.root, 'old'), '--apply');
  assert.match(stdout, /counts days from 0, but \d+ holds mail of the same day already/);
  assert.ok(home.has(`spam/${ydayAgo(10) - 1}/example.com/new/mail`));
});

/** As Debian's qpsmtpd has it, and lines that ms-lite and others add. */
const qpsmtpd = {
  plugins: `check_earlytalker action log
check_relay
rhsbl
dnsbl
check_badmailfrom
rcpt_ok
virus/clamdscan deny_viruses yes clamd_socket /var/run/clamav/clamd.ctl max_size 1024
spamassassin reject_threshold 12 munge_subject_threshold 8
greylisting black_timeout 600 grey_timeout 3600 white_timeout 3024000
milter Brightmail bmcluster.example:5513
auth/authdeny
$include debian-queue-method
`,
  'debian-queue-method': 'queue/smtp-forward 127.0.0.1 1025\n',
  me: 'mx.example.com\n',
  databytes: '30000000\n',
  rcpthosts: 'example.com\n',
  badmailfrom: 'spam@x.example go away\n@evil.example\n',
  badrcptto: 'old@example.com\n',
  relayclients: '127.0.0.1\n192.168.\n192.0.2.7\n',
  dnsbl_zones: 'bl.example.org\nbl2.example.org: listed, see there\n',
  rhsbl_zones: 'dbl.example.org\n',
};

test('qpsmtpd’s own files become markers, settings and lines of the list', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const { code, stdout, stderr } = await home.import('ms-lite', home.old(qpsmtpd), '--apply');
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    home.settings().filter((line) => !/^(?:plugins|blacklist_dir) /.test(line)),
    [
      'hostname = mx.example.com',
      'max_size = 30000000',
      'relay_networks = 192.168.0.0/16, 192.0.2.7',
      'relay = 127.0.0.1:1025',
    ],
  );
  assert.equal(home.text('srv/example.com/zones'), 'bl.example.org\nbl2.example.org\n');
  assert.equal(home.text('srv/example.com/domain_zones'), 'dbl.example.org\n');
  for (const marker of [
    '_global_/blacklisted/senders/spam@x.example',
    '_global_/blacklisted/domains/evil.example',
    'example.com/users/invalid/old',
  ])
    assert.ok(home.has(`srv/${marker}`), marker);
  const list = home.text('postern/plugins.list').split('\n');
  for (const line of [
    'clamav /var/run/clamav/clamd.ctl',
    'spamassassin 127.0.0.1:783 reject=12',
    'greylisting delay=10m window=1h life=35d clients=5',
    'milter inet:bmcluster.example:5513 name=brightmail',
  ])
    assert.ok(list.includes(line), `${line}\n${list.join('\n')}`);
  assert.ok(list.indexOf('milter inet:bmcluster.example:5513 name=brightmail') < list.indexOf('blacklist'));
  assert.match(stdout, /auth\/authdeny: users send through the MTA behind/);
});

test('Exim behind qpsmtpd needs a listener, and the page that has one is named', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const { stdout } = await home.import('ms-lite', home.old({ plugins: 'queue/exim-bsmtp\n' }));
  assert.match(stdout, /Exim has to take mail by SMTP on loopback, .*docs\/in-front-of\.md#exim/);
});
