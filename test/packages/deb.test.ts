/**
 * The Debian package: lintian finds no error in it; in a container with systemd it is installed, takes mail as a
 * service, is removed and purged, and leaves the mail alone.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { loadSettings } from '../../src/settings/settings.js';
import { startSink } from '../../src/trial/sink.js';
import { inherited } from '../support/environment.js';
import { freePort } from '../support/free-port.js';
import { mayBeSilent } from '../support/limits.js';
import { message } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { RawClient } from '../support/raw-client.js';
import { shippedPlugins } from '../support/shipped-plugins.js';
import { Container, type Installing } from '../support/systemd/container.js';
import { until } from '../support/until.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-deb-test-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

function must(program: string, ...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, words, {
    cwd: packageRoot,
    encoding: 'utf8',
    env: inherited(),
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
  return stdout;
}

let deb: string;
test('it is made by a script', (t) => {
  if (needPeer(t, 'dpkg-deb')) deb = must(process.execPath, 'packaging/release/deb.mjs', folder).trim();
});

test('the sample of postern.conf has the defaults behind #, and can be used', () => {
  const sample = fs.readFileSync(path.join(packageRoot, 'packaging/postern.conf'), 'utf8');
  const load = (text: string) => loadSettings({ argv: [], env: {}, hostname: 'mx.example.org', readFile: () => text });
  const [asIs, opened] = [load(sample), load(sample.replaceAll(/^#(?=[a-z_]+ =)/gm, ''))];
  assert.ok(asIs.ok && opened.ok);
  assert.deepEqual(opened.value.settings, asIs.value.settings);
});

test('lintian finds no error in it', (t) => {
  if (!needPeer(t, 'dpkg-deb', 'lintian')) return;
  mayBeSilent(300_000); // ten seconds of processor time
  must('lintian', '--allow-root', '--fail-on', 'error', deb);
});

test('it has the version of the package, and depends on a Node that is new enough', (t) => {
  if (!needPeer(t, 'dpkg-deb')) return;
  const { version, engines } = JSON.parse(fs.readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as {
    version: string;
    engines: { node: string };
  };
  assert.equal(must('dpkg-deb', '--field', deb, 'Version').trim(), version.replace('-', '~'));
  assert.match(
    must('dpkg-deb', '--field', deb, 'Depends'),
    new RegExp(`nodejs \\(>= ${engines.node.replace('>=', '')}\\)`),
  );
});

/** Node need not come from Debian here: what depends on it is forced. */
const install: Installing = (root, { relayPort, servicePort }) => {
  fs.copyFileSync(deb, path.join(root, 'opt/postern.deb'));
  if (!fs.existsSync(path.join(root, 'usr/bin/node'))) fs.symlinkSync('/opt/node', path.join(root, 'usr/bin/node'));
  const forced = ['--force-depends', '--force-unsafe-io', '--force-confold'];
  const inside = 'mount -t proc proc "$0/proc" && exec chroot "$0" dpkg --install "$@"';
  must('unshare', '--mount', 'sh', '-c', inside, root, ...forced, '/opt/postern.deb');
  const write = (name: string, text: string): void => {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), text);
  };
  const settings = [
    `listen = 127.0.0.1:${servicePort}`,
    `relay = 127.0.0.1:${relayPort}`,
    'hostname = mx.test.example',
  ];
  const more = ['log_file = /var/log/postern/log', 'plugins = /etc/postern/plugins.list', ''];
  write('etc/postern.conf', [...settings, ...more].join('\n'));
  write('etc/postern/plugins.list', shippedPlugins());
  write('srv/example.com/users/valid/alice', '');
  write('srv/example.com/checks/date', '');
  write('etc/systemd/system/postern-test.target', '[Unit]\nDescription=nothing but what a test starts\n');
  fs.rmSync(path.join(root, 'etc/systemd/system/default.target'), { force: true });
  fs.symlinkSync('postern-test.target', path.join(root, 'etc/systemd/system/default.target'));
};

test('installed it takes mail as a service; purged it leaves the mail', { timeout: 600_000 }, async (t) => {
  if (!needPeer(t, 'dpkg-deb', 'systemd-nspawn', 'root')) return;
  const sink = await startSink({ host: '127.0.0.1', port: 0, dir: path.join(folder, 'sink'), log: () => {} });
  t.after(() => sink.close());
  const servicePort = await freePort();
  const container = await Container.boot({ relayPort: sink.port, servicePort, socketPort: 0 }, install);
  if (!container) return t.diagnostic('this machine lets nobody start a container');
  t.after(() => container.close());

  await t.test('nothing is started by its installation', async () => {
    assert.match(await container.run('systemctl', 'show', '--property=ActiveState', 'postern.service'), /=inactive/);
    assert.match(await container.run('postern', 'check-config'), /^good/m);
    assert.match(
      await container.run('sh', '-c', 'man -w postern postern.conf 2>&1 || ls /usr/share/man/man8'),
      /postern/,
    );
  });

  await t.test('its service takes a mail, and keeps one that it refuses, within what its unit allows', async () => {
    await container.run('systemctl', 'enable', '--now', 'postern.service');
    const client = await RawClient.open({ port: servicePort });
    const mail = ['MAIL FROM:<a@sender.example>', 'RCPT TO:<alice@example.com>', 'DATA'];
    assert.match(await client.sayAll('EHLO client.example', ...mail, `${message()}\r\n.`), /^250 /);
    assert.match(await client.sayAll(...mail, `${message({ without: ['date'] })}\r\n.`), /^550 5\.7\.1 /);
    client.end();
    assert.match(await container.run('postern', 'quarantine', 'list'), /date/);
    assert.match(await container.run('stat', '-c', '%U:%G %a', '/spam'), /^postern:postern 2770$/m);
    const log = fs.readFileSync(container.path('var/log/postern/log'), 'utf8');
    assert.doesNotMatch(log, /"level":[56]0/);
  });

  await t.test('the same package again keeps postern.conf, and goes on', async () => {
    const forced = ['--force-depends', '--force-unsafe-io', '--force-confold'];
    await container.run('dpkg', '--install', ...forced, '/opt/postern.deb');
    assert.match(fs.readFileSync(container.path('etc/postern.conf'), 'utf8'), /^hostname = mx\.test\.example$/m);
    await until(
      () => fs.readFileSync(container.path('var/log/postern/log'), 'utf8').split('"msg":"listening"').length > 2,
    );
  });

  await t.test(
    'purged it is gone, with its settings and what it remembers; /srv, /spam and its user stay',
    async () => {
      await container.run('dpkg', '--purge', '--force-unsafe-io', 'postern');
      for (const name of [
        'usr/lib/postern',
        'usr/bin/postern',
        'etc/postern.conf',
        'var/lib/postern',
        'var/log/postern',
      ])
        assert.ok(!fs.existsSync(container.path(name)), name);
      assert.ok(fs.existsSync(container.path('srv/example.com/users/valid/alice')));
      const kept = await container.run('find', '/spam', '-type', 'f', '-path', '*/new/*');
      assert.equal(kept.trim().split('\n').length, 1, kept);
      assert.match(await container.run('id', 'postern'), /uid=/);
    },
  );
});
