/** `postern import`, whatever one comes from: nothing is done unasked, or twice, and nothing that would not start. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sources } from '../../../src/cli/import/commands.js';
import { packageRoot } from '../../../src/cli/package-root.js';
import { NewHome } from './support.js';

const haraka = {
  plugins: 'spf\nclamd\nhelo.checks\nqueue/smtp_forward\n',
  host_list: '# ours\nexample.com\nBücher.example\n',
  'smtp_forward.ini': 'host=localhost\nport=2555\n',
  'clamd.ini': '[main]\nclamd_socket=/run/clamav/clamd.ctl\n',
};

test('without --apply everything is said and nothing is done', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const old = home.old(haraka);
  const before = home.everything();
  const { code, stdout } = await home.import('haraka', old);
  assert.equal(code, 0);
  assert.match(stdout, /\+ touch \S+\/srv\/example\.com\/checks\/spf {2}# plugins:1: spf\n/);
  assert.match(stdout, /\+ relay = 127\.0\.0\.1:2555 {2}# smtp_forward\.ini: host\n/);
  assert.match(stdout, /nothing is changed yet: --apply does it\n$/);
  assert.equal(home.everything(), before);
});

test('a second run changes nothing, and neither does what is there already', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const old = home.old(haraka);
  home.write('srv/example.com/checks/spf', 'log\n');
  home.write('postern.conf', `${home.text('postern.conf')}relay = 127.0.0.1:10030\n`);
  const first = await home.import('haraka', old, '--apply');
  assert.match(first.stdout, /! relay = 127\.0\.0\.1:2555 {2}is left: \S+ says relay = 127\.0\.0\.1:10030/);
  assert.equal(home.text('srv/example.com/checks/spf'), 'log\n');
  const before = home.everything();
  const second = await home.import('haraka', old, '--apply');
  assert.match(second.stdout, /\n0 changes made, \d+ there already, 1 left alone\n$/);
  assert.equal(home.everything(), before);
});

test('what was imported starts: settings, plugins and markers are as check-config wants them', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  await home.import('haraka', home.old(haraka), '--apply');
  const { code, stdout, stderr } = await home.run('check-config');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /2 domains/);
  assert.match(readFileSync(join(home.root, 'postern/plugins.list'), 'utf8'), /^clamav \/run\/clamav\/clamd\.ctl$/m);
  assert.ok(home.has('srv/xn--bcher-kva.example/users/valid/*'));
  assert.match(home.text('state/audit'), /"what":"marker made"/);
});

test('a new domain appears whole: until all its markers are there it hosts nothing', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const old = home.old(haraka);
  home.write('srv/.example.com.importing/users/valid/left-from-a-run-that-was-killed', '');
  await home.import('haraka', old, '--apply');
  assert.deepEqual(
    home.markers().filter((path) => path.startsWith('.')),
    [],
  );
  assert.ok(home.has('srv/example.com/checks/spf') && home.has('srv/example.com/users/valid/*'));
});

test('settings that postern would not start with are left out, and said', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const old = home.old({
    ...haraka,
    me: 'not a name\n',
    'tls.ini': 'key=/proc/nowhere/key.pem\ncert=/proc/nowhere/cert.pem\n',
    'greylist.ini': '[period]\nblack=soon\n',
    plugins: `${haraka.plugins}greylist\n`,
  });
  const { stdout } = await home.import('haraka', old, '--apply');
  assert.match(stdout, /! hostname = not a name {2}is left: /);
  assert.match(stdout, /! tls_cert = \/proc\/nowhere\/cert\.pem {2}is left: .*ENOENT/);
  assert.match(stdout, /! greylisting delay=NaNs .* is left: /);
  assert.deepEqual(
    home.settings().map((line) => line.split(' ')[0]),
    ['relay', 'plugins'],
  );
  assert.equal((await home.run('check-config')).code, 0);
});

test('a file of settings keeps its owner and mode, and a link to it stays one', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const real = home.write('etc/real.conf', home.text('postern.conf'));
  spawnSync('chmod', ['600', real]);
  spawnSync('rm', [home.config]);
  symlinkSync(real, home.config);
  await home.import('haraka', home.old(haraka), '--apply');
  const { stdout } = spawnSync('stat', ['-c', '%a', real], { encoding: 'utf8' });
  assert.equal(stdout.trim(), '600');
  assert.match(home.text('etc/real.conf'), /^relay = 127\.0\.0\.1:2555$/m);
});

test('nothing leaves /srv, whatever the names of others are', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  mkdirSync(join(home.root, 'outside'));
  symlinkSync(join(home.root, 'outside'), join(home.root, 'srv/evil.example'));
  const names = [
    '../../etc',
    '..',
    '/etc/passwd',
    '_global_',
    'a\u001b[31mb.example',
    'evil.example',
    'x'.repeat(300),
    '*',
  ];
  const old = home.old({
    ...haraka,
    host_list: names.join('\n'),
    'mail_from.access.blacklist': '../../../x@y.example\nx/../y@z.example\n<>\n@\n',
    plugins: `${haraka.plugins}access\n../../evil\n`,
  });
  const { code, stdout, stderr } = await home.import('haraka', old, '--apply');
  assert.ok(!stdout.includes('\u001b') && !stderr.includes('\u001b'));
  assert.equal(code, 74, stdout);
  assert.match(stderr, /leads out of the tree by a link/);
  assert.deepEqual(
    home.markers().filter((path) => !path.startsWith('evil.example')),
    [],
  );
});

test('a list of recipients makes no domain a hosted one', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const lists = 'old@example.com\nold@elsewhere.example\nx@../../../etc\nx@_global_\n';
  const old = home.old({
    ...haraka,
    'rcpt_to.access.blacklist': lists,
    'rcpt_to.access.whitelist': lists,
    plugins: `${haraka.plugins}access\n`,
  });
  const { stdout } = await home.import('haraka', old, '--apply');
  assert.match(stdout, /old@elsewhere\.example is of no hosted domain/);
  const scopes = new Set(home.markers().map((path) => path.split('/')[0]));
  assert.deepEqual([...scopes], ['example.com', 'xn--bcher-kva.example']);
});

test('what cannot be read is said and holds nobody up', { timeout: 60_000 }, async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const old = home.old({ plugins: '$include plugins\n', 'smtp.ini': 'listen=' });
  spawnSync('mkfifo', [join(old, 'host_list')]);
  mkdirSync(join(old, 'me'));
  const { code, stdout } = await home.import('haraka', old);
  assert.equal(code, 0);
  assert.match(stdout, /host_list: cannot be read/);
  assert.match(stdout, /me: cannot be read \(EISDIR\)/);
  const circle = await home.import('ms-lite', old);
  assert.match(circle.stdout, /goes round in a circle/);
});

/** [words, exit code, complaint] */
const misuses: readonly (readonly [words: readonly string[], code: number, complaint: RegExp])[] = [
  [['harakka'], 64, /there is no "import harakka"; did you mean haraka\?/],
  [['haraka', '/proc/nowhere/at/all'], 66, /import haraka: \/proc\/nowhere\/at\/all is not there; name the folder/],
  [['ms-lite', '/proc/nowhere/at/all'], 66, /import ms-lite: \/proc\/nowhere\/at\/all is not there; name the folder/],
  [['haraka', '/etc/passwd'], 66, /is no folder/],
  [['spf-milter', '/dev/zero'], 66, /is no regular file/],
  [['spf-milter', '/etc'], 66, /is a folder, not a file/],
  [['haraka', 'a', 'b'], 64, /name one folder or file/],
  [['haraka', '--aply'], 64, /there is no option --aply; did you mean --apply\?/],
];

for (const [words, code, complaint] of misuses)
  test(`import ${words.join(' ')} ends with ${code}`, async (t) => {
    const home = new NewHome();
    t.after(() => home.remove());
    const ran = await home.import(...words);
    assert.equal(ran.code, code);
    assert.match(ran.stderr, complaint);
  });

test('--json has one object a line for each step and each note', async (t) => {
  const home = new NewHome();
  t.after(() => home.remove());
  const { stdout } = await home.import('haraka', home.old(haraka), '--json');
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  assert.ok(rows.some((row) => (row as { state?: string }).state === 'to do'));
  assert.ok(rows.some((row) => (row as { kind?: string }).kind === 'differs'));
});

test('docs/coming-over.md and the manual have each source', () => {
  const page = readFileSync(join(packageRoot, 'docs/coming-over.md'), 'utf8');
  const manual = readFileSync(join(packageRoot, 'man/postern.8'), 'utf8').replaceAll('\\-', '-');
  for (const source of Object.keys(sources)) {
    assert.ok(page.includes(`postern import ${source}`), source);
    assert.ok(manual.includes(source), source);
  }
});
