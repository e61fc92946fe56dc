/**
 * What packaging/ has: the examples for submission set what exists, and name what is there; systemd understands the
 * units.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { needPeer } from './support/peers.js';
import { packageRoot } from '../src/cli/package-root.js';
import { loadMilterConfig } from '../src/cli/milter/verify-sender/config.js';
import { entries } from '../src/cli/milter/verify-sender/schema.js';
import { loadSubmission } from '../src/cli/milter/submission/config.js';
import { directoryVariables, variables } from '../src/cli/milter/submission/variables.js';

const folder = join(packageRoot, 'packaging', 'submission');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

const known = new Set<string>([
  ...Object.keys(variables),
  ...Object.values(directoryVariables).map(([name]) => name),
  'LDAP_BINDPW_FILE',
]);

const plain = (value: string): string => value.trim().replace(/^'(.*)'$/, '$1');
const pairs = (text: string, pattern: RegExp): Record<string, string> =>
  Object.fromEntries([...text.matchAll(pattern)].map(([, name = '', value = '']) => [name, plain(value)]));

/** Examples behind a # count as well: somebody will take it away. */
const environments: Readonly<Record<string, Record<string, string>>> = {
  'submission.env': pairs(read('submission.env'), /^#?([A-Z][A-Z_]+)=(.*)$/gm),
  'compose.yaml': pairs(read('compose.yaml').replaceAll('$$', '$'), /^ {6}(?:# )?([A-Z][A-Z_]+): (.*)$/gm),
  'kubernetes.yaml': {
    ...pairs(read('kubernetes.yaml'), /\{ name: ([A-Z][A-Z_]+), value: (.*) \}$/gm),
    ...pairs(read('kubernetes.yaml'), /- name: (LDAP_BINDPW)\n\s+valueFrom:()/g),
  },
};

for (const [name, env] of Object.entries(environments))
  test(`${name} sets variables that there are, to what they may be`, () => {
    assert.ok(Object.keys(env).length >= 9, JSON.stringify(env));
    for (const variable of Object.keys(env)) assert.ok(known.has(variable), variable);
    const secret = { ...env, ...(env['LDAP_BINDPW'] === '' && { LDAP_BINDPW: 'secret' }) };
    const loaded = loadSubmission({ env: secret, readFile: () => 'secret\n' });
    assert.deepEqual(loaded.ok ? loaded.value.warnings : loaded.problem, []);
    assert.ok(loaded.ok && loaded.value.config.directory !== undefined && loaded.value.config.pattern !== undefined);
    assert.ok(loaded.value.config.pattern.matches('v=spf1 include:_spf.example.com -all'));
  });

test('the socket of the compose file is the one its Postfix asks, and the port of the service the one that is served', () => {
  const socketOf = (env: Record<string, string>): unknown => {
    const loaded = loadSubmission({ env: { ...env, LDAP_ENABLED: 'false' }, readFile: () => '' });
    return loaded.ok && loaded.value.config.socket;
  };
  assert.deepEqual(socketOf(environments['compose.yaml'] ?? {}), { kind: 'unix', path: '/socket/sos-milter' });
  assert.match(read('postfix/main.cf'), /^smtpd_milters = unix:\/socket\/sos-milter$/m);
  assert.deepEqual(socketOf(environments['kubernetes.yaml'] ?? {}), { kind: 'tcp', host: '::', port: 8020, family: 6 });
  assert.match(read('kubernetes.yaml'), /containerPort: 8020 \}/);
});

test('the container file sets what there is, and copies what is there', () => {
  const text = read('Containerfile');
  const env = Object.fromEntries([...text.matchAll(/([A-Z][A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value]));
  const { NODE_ENV: _, ...own } = env as Record<string, string>;
  assert.deepEqual(Object.keys(own), ['MILTER_SOCKET_MODE', 'METRICS', 'LOG_FORMAT']);
  const loaded = loadSubmission({ env: own, readFile: () => '' });
  assert.ok(loaded.ok && loaded.value.config.socketMode === 0o666 && loaded.value.config.metrics?.kind === 'any');
  const sources = [...text.matchAll(/^COPY --from=build \/opt\/postern\/(\S+)/gm)].map(([, path = '']) => path);
  assert.ok(sources.length >= 3);
  for (const path of sources) assert.ok(existsSync(join(packageRoot, path)), path);
  assert.match(text, /dist\/src\/main\.js/);
});

test('the sample of spf-milter.conf can be used, and what it has behind # is the default', () => {
  const sample = readFileSync(join(packageRoot, 'packaging', 'spf-milter.conf'), 'utf8');
  const readAs = (text: string) => loadMilterConfig({ file: 'sample', options: [], readFile: () => text });
  const used = readAs(sample);
  assert.ok(used.ok);
  assert.deepEqual(used.value.config.socket, { kind: 'unix', path: '/var/spool/postfix/postern/milter.sock' });
  const commented = [...sample.matchAll(/^#([a-z_]+) =(.*)$/gm)].filter(([, name]) => name !== 'hostname');
  assert.ok(commented.length >= 5);
  for (const [, name = '', text] of commented) assert.equal(entries.get(name)?.default, text?.trim(), name);
  assert.ok(readAs(sample.replaceAll(/^#(?=[a-z_]+ =)/gm, '')).ok);
});

test('one socket path: the sample, the unit, the page and the manual', () => {
  const path = '/var/spool/postfix/postern/milter.sock';
  const page = (name: string): string => readFileSync(join(packageRoot, name), 'utf8').replaceAll('\\-', '-');
  assert.match(page('packaging/postern-milter.socket'), new RegExp(`^ListenStream=${path}$`, 'm'));
  for (const name of ['docs/milter.md', 'man/postern-milter.8']) {
    assert.match(page(name), /smtpd_milters = unix:postern\/milter\.sock$/m, name);
    assert.match(page(name), new RegExp(`S=local:${path},`), name);
  }
  for (const name of ['docs/milter.md', 'man/postern-milter.8', 'man/postern-milter.conf.5'])
    assert.doesNotMatch(page(name), /\/run\/postern-milter/, name);
});

const units = readdirSync(join(packageRoot, 'packaging')).filter((name) => /\.(?:service|socket|timer)$/.test(name));

for (const unit of units)
  test(`systemd has nothing to say against ${unit}`, (t) => {
    if (!needPeer(t, 'systemd-analyze')) return;
    const path = join(packageRoot, 'packaging', unit);
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
  });

for (const unit of units.filter((name) => name.endsWith('.service')))
  test(`what somebody who has taken over ${unit} could do is little`, (t) => {
    if (!needPeer(t, 'systemd-analyze')) return;
    const words = ['security', '--offline=yes', '--threshold=20', '--no-pager', join(packageRoot, 'packaging', unit)];
    const { status, stdout } = spawnSync('systemd-analyze', words, { encoding: 'utf8' });
    assert.equal(status, 0, stdout.trim().split('\n').at(-1));
  });

const services = units.filter((unit) => /^postern(?:-milter|-submission)?\.service$/.test(unit));

for (const unit of services)
  test(`${unit} stops in order, is watched, and has a socket unit that keeps clients waiting over a restart`, () => {
    const text = readFileSync(join(packageRoot, 'packaging', unit), 'utf8');
    for (const line of ['Type=notify', 'KillMode=mixed', `SyslogIdentifier=${unit.replace('.service', '')}`])
      assert.ok(text.split('\n').includes(line), line);
    assert.match(text, /^WatchdogSec=\d+$/m);
    assert.doesNotMatch(text, /^ExecStartPre=/m);
    assert.ok(units.includes(unit.replace('.service', '.socket')));
  });

test('the service may write the log file where docs/running.md has it', () => {
  const unit = readFileSync(join(packageRoot, 'packaging/postern.service'), 'utf8');
  assert.match(unit, /^LogsDirectory=postern$/m);
  assert.match(readFileSync(join(packageRoot, 'docs/running.md'), 'utf8'), /`\/var\/log\/postern`/);
});

test('three services are watched so', () => assert.equal(services.length, 3));

test('units start commands that there are', () => {
  const commands = units.flatMap((unit) =>
    [
      ...readFileSync(join(packageRoot, 'packaging', unit), 'utf8').matchAll(
        /^Exec\w+=\/usr\/bin\/env postern ([a-z -]+?)(?: -.*)?$/gm,
      ),
    ].map(([, words = '']) => words),
  );
  assert.ok(commands.includes('quarantine digest') && commands.includes('serve'), String(commands));
  for (const words of commands) {
    const help = spawnSync(process.execPath, [join(packageRoot, 'dist/src/main.js'), ...words.split(' '), '--help'], {
      encoding: 'utf8',
    });
    assert.equal(help.status, 0, words);
    assert.match(help.stdout, new RegExp(`postern ${words}|${words}`), words);
  }
});
