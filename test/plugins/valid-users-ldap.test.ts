/** valid_users with a directory beside the markers, through the socket and against a real slapd. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import validUsers from '../../plugins/valid_users.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { base, reader, Slapd } from '../support/slapd.js';
import { fateOf, startMx } from '../contract/support.js';
import type { Mx } from '../support/mx.js';

const folder = mkdtempSync(join(tmpdir(), 'postern-users-'));
const file = join(folder, 'users.ldap');
let slapd: Slapd;
let mx: Mx;

before(async () => {
  if (!hasPeer('slapd')) return;
  const mailboxes = ['ldap-alice@example.com', 'both@example.com', 'closed@example.com', 'there@elsewhere.example'];
  slapd = await Slapd.start({ mailboxes });
  const lines = [
    `uri = ${slapd.secureUri}`,
    `ca_file = ${slapd.caFile}`,
    `base = ou=people,${base}`,
    'filter = (mail=%s)',
  ];
  const bind = [`bind_dn = ${reader.dn}`, `bind_password = ${reader.password}`, 'cache = 0', 'timeout = 2s'];
  writeFileSync(file, [...lines, ...bind].join('\n'), { mode: 0o600 });
  mx = await startMx({
    markers: ['example.com/users/valid/marked', 'example.com/users/valid/both', 'example.com/users/invalid/closed'],
    plugins: [`valid_users ldap ${file}`],
    settings: ['recipient_delimiter=+'],
  });
});
after(async () => {
  await mx?.close();
  await slapd?.close();
  rmSync(folder, { recursive: true });
});

const recipients: readonly [what: string, to: string, reply: RegExp][] = [
  ['by directory', 'ldap-alice@example.com', /^250 /],
  ['by directory, in other letters', 'LDAP-Alice@EXAMPLE.com', /^250 /],
  ['by directory, behind an extension', 'ldap-alice+lists@example.com', /^250 /],
  ['by marker', 'marked@example.com', /^250 /],
  ['by both', 'both@example.com', /^250 /],
  ['by neither', 'nobody@example.com', /^550 5\.1\.1 No such user \(/],
  ['by directory, but a marker closes it', 'closed@example.com', /^550 5\.1\.1 /],
  ['a wildcard', '*@example.com', /^550 5\.1\.1 /],
  ['half a wildcard', 'ldap-*@example.com', /^550 5\.1\.1 /],
  ['another condition', '"x)(mail=*"@example.com', /^550 5\.1\.1 /],
  ['spaces that a directory ignores', '" ldap-alice"@example.com', /^550 5\.1\.1 /],
  ['routed elsewhere', 'ldap-alice%elsewhere.example@example.com', /^550 5\.1\.1 /],
];
for (const [what, to, reply] of recipients)
  test(`a recipient valid ${what}: ${to}`, async (t) => {
    if (!needPeer(t, 'slapd')) return;
    assert.match((await fateOf(mx, { to })).reply, reply);
  });

test('the directory hosts no domain', async (t) => {
  if (!needPeer(t, 'slapd')) return;
  assert.match((await fateOf(mx, { to: 'there@elsewhere.example' })).reply, /^550 5\.7\.1 /);
});

test('directory down: 451 for those only it may know, the others as ever; back again, it is asked', async (t) => {
  if (!needPeer(t, 'slapd')) return;
  await slapd.kill();
  const fate = await fateOf(mx, { to: 'ldap-alice@example.com' });
  assert.match(fate.reply, /^451 4\.7\.1 Recipient cannot be looked up now/);
  assert.ok(fate.log.some(({ msg, why }) => msg === 'defer' && /ldaps:\/\/localhost/.test(String(why))));
  assert.match((await fateOf(mx, { to: 'marked@example.com' })).reply, /^250 /);
  assert.match((await fateOf(mx, { to: 'closed@example.com' })).reply, /^550 5\.1\.1 /);
  await slapd.restart();
  for (let i = 0; i < 40; i++) {
    if (/^250 /.test((await fateOf(mx, { to: 'ldap-alice@example.com' })).reply)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail('not asked again');
});

const wrong: readonly [args: readonly string[], expected: RegExp][] = [
  [['ldap'], /takes nothing, or "ldap" and a file/],
  [['file', '/x'], /takes nothing, or "ldap" and a file/],
  [['ldap', '/x', 'y'], /takes nothing, or "ldap" and a file/],
  [['ldap', '/proc/nowhere/x'], /\/proc\/nowhere\/x: cannot be read \(ENOENT\)/],
  [['ldap', '/dev/null'], /\/dev\/null: uri: is missing.*; \/dev\/null: base: is missing/],
];
for (const [args, expected] of wrong)
  test(`valid_users ${args.join(' ')} stops the start`, () => assert.throws(() => validUsers(args), expected));
