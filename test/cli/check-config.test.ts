/** What check-config says of a configuration, and that markers which can never count stop no start. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { entries } from '../../src/settings/schema.js';
import { makeCertificate } from '../support/certificate.js';
import { makeRoot, PosternProcess } from '../support/child.js';
import { postern } from './support/postern-command.js';

/** [what, markers, what is said; '' for nothing] */
const table: readonly (readonly [what: string, markers: readonly string[], said: string])[] = [
  ['checks that there are', ['d.example/checks/spf', 'd.example/checks/all'], ''],
  [
    'a check that there is not',
    ['d.example/checks/spff'],
    'd.example/checks/spff does nothing: no plugin "spff" is in the list of plugins',
  ],
  [
    'a check that is not listed',
    ['d.example/checks/date'],
    'd.example/checks/date does nothing: no plugin "date" is in the list of plugins',
  ],
  [
    'a list whose check is not listed',
    ['d.example/domain_zones'],
    'd.example/domain_zones does nothing: no plugin "rhsbl" is in the list of plugins',
  ],
  [
    'a check without its list',
    ['d.example/checks/dnsbl'],
    'd.example/checks/dnsbl does nothing without the file d.example/zones',
  ],
];

function rootWith(t: TestContext, markers: readonly string[]): string {
  const root = makeRoot([]);
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const marker of markers) {
    mkdirSync(dirname(join(root, 'srv', marker)), { recursive: true });
    writeFileSync(join(root, 'srv', marker), '');
  }
  writeFileSync(join(root, 'plugins'), 'valid_users\nspf\ndnsbl\n');
  return root;
}

for (const [what, markers, said] of table) {
  test(`check-config: ${what}`, async (t) => {
    const root = rootWith(t, [...markers, 'd.example/users/valid/a']);
    writeFileSync(join(root, 'conf'), `srv = ${root}/srv\nplugins = ${root}/plugins\n`);
    const ran = await postern(['check-config', '-c', `${root}/conf`]);
    assert.equal(ran.code, 0);
    assert.equal(
      ran.stderr.replace('; did you mean spf?', ''),
      said === '' ? '' : `postern: warning: ${root}/srv/${said}\n`,
    );
    const verdict = said === '' ? 'good' : 'good, with 1 warning';
    assert.equal(ran.stdout, `settings: ${root}/conf\n${verdict}: 1 domain, 1 user, 3 plugins, no TLS\n`);
  });
}

test('check-config: a time to keep mails that is none', async (t) => {
  const root = rootWith(t, ['d.example/users/valid/a']);
  writeFileSync(join(root, 'srv/d.example/expire'), 'expire = soon\n');
  const ran = await postern(['check-config', `--srv=${root}/srv`]);
  assert.equal(ran.code, 0);
  assert.match(ran.stderr, /^postern: warning: \S+\/d\.example\/expire expire must be .* until this is mended\n$/);
});

test('check-config: a tree that is not there', async (t) => {
  const root = rootWith(t, []);
  const ran = await postern(['check-config', `--srv=${root}/svr`]);
  assert.equal(ran.code, 78);
  assert.equal(
    ran.stderr,
    `postern: srv: ${root}/svr: is not there; mkdir makes it, the setting srv names another\npostern: 1 problem: postern would not start\n`,
  );
});

test('check-config names the file, finds what srv lint finds, and sums up', async (t) => {
  const root = rootWith(t, [
    'a.example/users/valid/anna',
    'a.example/users/valid/Bob',
    'b.example/users/valid/*',
    'b.example/blacklisted/tld/.top',
    'c.example/user/valid/carl',
  ]);
  const { cert, key } = makeCertificate('mx.test.example');
  writeFileSync(join(root, 'cert.pem'), cert);
  writeFileSync(join(root, 'key.pem'), key);
  const until = new Date(new X509Certificate(cert).validTo).toISOString().slice(0, 10);
  const lines = [
    `srv = ${root}/srv`,
    `plugins = ${root}/plugins`,
    `tls_cert = ${root}/cert.pem`,
    `tls_key = ${root}/key.pem`,
  ];
  writeFileSync(join(root, 'conf'), lines.join('\n'));
  const lint = await postern(['srv', 'lint', '-c', join(root, 'conf'), '--json']);
  const found = lint.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { path: string; problem: string });
  assert.equal(found.length, 4, lint.stdout);

  const said = await postern(['check-config', '-c', join(root, 'conf')]);
  assert.equal(said.code, 0);
  assert.equal(
    said.stderr,
    found.map(({ path, problem }) => `postern: warning: ${root}/srv/${path} ${problem}\n`).join(''),
  );
  assert.equal(
    said.stdout,
    `settings: ${root}/conf\n` +
      `good, with 4 warnings: 3 domains, 2 users and all of 1 domain, 3 plugins, TLS until ${until}\n`,
  );

  const json = await postern(['check-config', '-c', join(root, 'conf'), '--json']);
  assert.deepEqual([json.code, json.stderr], [0, '']);
  assert.deepEqual(
    json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
    [
      ...found.map(({ path, problem }) => ({ severity: 'warning', path, problem })),
      {
        good: true,
        file: join(root, 'conf'),
        errors: 0,
        warnings: 4,
        domains: 3,
        users: 2,
        open_domains: 1,
        plugins: 3,
        tls_until: until,
      },
    ],
  );
});

test('check-config warns of files that URLs name and that are not there', async (t) => {
  const root = rootWith(t, ['d.example/users/valid/a']);
  const url = 'postgresql://postern@127.0.0.1/postern?password_file=';
  writeFileSync(join(root, 'password'), 'secret');
  writeFileSync(
    join(root, 'conf'),
    `srv = ${root}/srv
plugins = ${root}/plugins
catalog = ${url}${root}/password
catalog_read = ${url}/proc/nowhere/1
bodies = s3://mails?endpoint=https://s3.example&key_file=/proc/nowhere/2
store = redis+sentinel://192.0.2.7/greylist?sentinel_password_file=/proc/nowhere/3
`,
  );
  const ran = await postern(['check-config', '-c', join(root, 'conf')]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(
    ran.stderr.split('\n').map((line) => /^postern: warning: (\w+): .* cannot be read: .*'(.*)'$/.exec(line)?.slice(1)),
    [['catalog_read', '/proc/nowhere/1'], ['bodies', '/proc/nowhere/2'], ['store', '/proc/nowhere/3'], undefined],
  );
});

test('check-config --json says what is wrong with settings, and hides their passwords', async () => {
  const ran = await postern(['check-config', '--json', '--max_size=none', '--store=http://u:S3CRET@h']);
  assert.deepEqual([ran.code, ran.stderr], [78, '']);
  const [one, two, end] = ran.stdout.split('\n').map((line) => (line === '' ? {} : (JSON.parse(line) as object)));
  assert.match(JSON.stringify(one), /^\{"severity":"error","problem":"--max_size: max_size = none: must be a size/);
  assert.match(JSON.stringify(two), /http:\/\/\*\*\*: must be/);
  assert.deepEqual(end, { good: false, file: null, errors: 2, warnings: 0 });
});

test('print-config --json has each value and its source', async (t) => {
  const root = rootWith(t, []);
  writeFileSync(join(root, 'conf'), 'max_size = 1048576\nstore = redis://u:S3CRET@h\n');
  const ran = await postern(['print-config', '--json', '-c', join(root, 'conf'), '--workers=2']);
  assert.equal(ran.code, 0);
  const { file, settings } = JSON.parse(ran.stdout) as { file: string; settings: Record<string, unknown> };
  assert.equal(file, join(root, 'conf'));
  assert.deepEqual(Object.keys(settings), [...entries.keys()]);
  assert.deepEqual(settings['max_size'], { value: '1m', source: `${root}/conf:1` });
  assert.deepEqual(settings['store'], { value: 'redis://u:***@h', source: `${root}/conf:2` });
  assert.deepEqual(settings['workers'], { value: '2', source: '--workers' });
  assert.deepEqual(settings['srv'], { value: '/srv', source: 'default' });
});

test('print-config has the settings of a directory, alone or behind those of the milter, without their password', async (t) => {
  const root = rootWith(t, []);
  const ldap = join(root, 'users.ldap');
  writeFileSync(
    ldap,
    'uri = ldaps://ldap.example.org\nbase = dc=x\nfilter = (dc=%d)\nbind_dn = cn=x\nbind_password = S3CRET\n',
  );
  const alone = await postern(['print-config', `--directory=${ldap}`]);
  assert.equal(
    alone.stdout,
    `# ${ldap}:1\nuri = ldaps://ldap.example.org\n# ${ldap}:2\nbase = dc=x\n# ${ldap}:3\nfilter = (dc=%d)\n` +
      `# ${ldap}:4\nbind_dn = cn=x\n# ${ldap}:5\nbind_password = ***\nstart_tls = no\nca_file =\ntimeout = 5s\n` +
      'cache = 5m\ncache_negative = 1m\nconnections = 4\n',
  );
  const json = JSON.parse((await postern(['print-config', '--json', `--directory=${ldap}`])).stdout) as object;
  assert.match(JSON.stringify(json), /"bind_password":\{"value":"\*\*\*","source":"[^"]*:5"\}/);
  writeFileSync(join(root, 'milter.conf'), `socket = inet:3000@localhost\nown_domains_ldap = ${ldap}\n`);
  const milter = await postern(['milter', '-c', join(root, 'milter.conf'), '--print-config']);
  const above = alone.stdout.replace(/^(?=.)/gm, '#   ');
  assert.ok(milter.stdout.includes(`\n# ${root}/milter.conf:2\nown_domains_ldap = ${ldap}\n${above}`), milter.stdout);
  const wrong = await postern(['print-config', `--directory=${root}/none`]);
  assert.deepEqual([wrong.code, wrong.stderr], [78, `postern: ${root}/none: cannot be read (ENOENT)\n`]);
});

test('at the start they are in the log, and mail is taken all the same', async (t) => {
  const root = rootWith(
    t,
    table.flatMap(([, markers]) => markers),
  );
  const child = await PosternProcess.start({
    root,
    relayPort: 9,
    settings: [`plugins=${root}/plugins`, 'log_level=info'],
  });
  t.after(() => child.close());
  const warned = (): Set<unknown> =>
    new Set(child.log.filter(({ level, check }) => level === 40 && check !== undefined).map(({ msg }) => msg));
  await child.until(() => warned().size >= 4);
  assert.deepEqual(warned(), new Set([1, 2, 3, 4].map((row) => table[row]?.[2])));
});
