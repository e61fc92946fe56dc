/** The package for npm: made twice it is the same, it is small, and what it installs takes mail. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { startSink } from '../../src/trial/sink.js';
import { PosternProcess } from '../support/child.js';
import { inherited } from '../support/environment.js';
import { filesBelow } from '../support/files-below.js';
import { message } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

const folder = mkdtempSync(join(tmpdir(), 'postern-packages-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function must(program: string, words: readonly string[], cwd = packageRoot): string {
  const { status, stdout, stderr } = spawnSync(program, words, { cwd, encoding: 'utf8', env: inherited() });
  assert.equal(status, 0, stderr);
  return stdout;
}

const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
const made = (name: string): string => must(process.execPath, ['packaging/release/tgz.mjs', join(folder, name)]).trim();

let tgz: string;
test('it is made by a script', () => {
  tgz = made('first');
});

test('made twice it has the same octets', () => assert.equal(digest(made('second')), digest(tgz)));

test('npm pack makes the same octets twice, too', () => {
  const packed = (): string => {
    const [one] = JSON.parse(must('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder])) as {
      filename: string;
    }[];
    return digest(join(folder, one?.filename ?? ''));
  };
  assert.equal(packed(), packed());
});

const installed = join(folder, 'root/lib/node_modules/postern');

test('npm installs it without asking a registry', () => {
  const words = ['--offline', '--ignore-scripts', '--no-audit', '--cache', join(folder, 'cache')];
  must('npm', ['install', '--global', '--prefix', join(folder, 'root'), ...words, tgz], folder);
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  assert.equal(must(join(folder, 'root/bin/postern'), ['--version'], folder), `postern ${version}\n`);
});

const maxOctets = 30 << 20;

test('it takes at most 30 MB, and has nothing of what we develop with, nor what few need', () => {
  const octets = filesBelow(installed).reduce((sum, file) => sum + statSync(file).size, 0);
  assert.ok(octets < maxOctets, `${octets} octets`);
  for (const name of ['typescript', 'oxlint', 'prettier', 'fast-check', '@redis'])
    assert.ok(!existsSync(join(installed, 'node_modules', name)), name);
  for (const name of ['LICENSE', 'man/postern.8', 'plugins/plugins', 'packaging/postern.service'])
    assert.ok(existsSync(join(installed, name)), name);
});

test('each package that it brings has its licence with it', () => {
  const { packages } = JSON.parse(readFileSync(join(packageRoot, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { license?: string }>;
  };
  const brought = Object.entries(packages).filter(([path]) => path !== '' && existsSync(join(installed, path)));
  assert.ok(brought.length > 60);
  for (const [path, { license }] of brought) assert.ok(license !== undefined, path);
});

const signed = ['DKIM-Signature: v=1; a=rsa-sha256; d=s.example; s=x; h=from; bh=eA==; b=eA=='];
const good = `${message({ fields: signed })}\r\n.`;
const undated = `${message({ fields: signed, without: ['date'] })}\r\n.`;

test('what is installed takes mail, asks all its plugins, and keeps what it refuses', async (t) => {
  const sink = await startSink({ host: '127.0.0.1', port: 0, dir: join(folder, 'sink'), log: () => {} });
  t.after(() => sink.close());
  const child = await PosternProcess.start({
    program: join(installed, 'dist/src/main.js'),
    markers: ['example.com/users/valid/alice', 'example.com/checks/all', 'open.example/users/valid/bob'],
    relayPort: sink.port,
  });
  t.after(() => child.close());
  const client = await RawClient.open({ port: child.port });
  const mail = ['MAIL FROM:<a@sender.example>', 'RCPT TO:<bob@open.example>', 'DATA', good];
  assert.match(await client.sayAll('EHLO client.example', ...mail), /^250 /);
  const refused = ['MAIL FROM:<a@sender.example>', 'RCPT TO:<alice@example.com>', 'DATA', undated];
  assert.match(await client.sayAll(...refused), /^550 5\.7\.1 /);
  client.end();
  assert.equal(filesBelow(join(child.root, 'spam')).filter((file) => file.includes('/new/')).length, 1);
  assert.equal(child.log.filter(({ level }) => Number(level) >= 50).length, 0);
  assert.equal(await child.stop(), 0);
});

test('whoever wants Redis is told what to install', () => {
  const words = ['check-config', `--srv=${folder}`, '--store=redis://anna:secret@127.0.0.1'];
  const { status, stderr } = spawnSync(join(folder, 'root/bin/postern'), words, {
    cwd: folder,
    encoding: 'utf8',
    env: inherited(),
  });
  assert.equal(status, 78);
  assert.match(
    stderr,
    /store = redis:\/\/anna:\*\*\*@127\.0\.0\.1: the package @redis\/client is not installed; npm install -g/,
  );
});

test('the list of its parts (SBOM) has each package that it brings, and no other', () => {
  const file = must(process.execPath, ['packaging/release/sbom.mjs', folder]).trim();
  const { packages } = JSON.parse(readFileSync(file, 'utf8')) as {
    packages: { name: string; versionInfo: string }[];
  };
  const told = packages
    .filter(({ name }) => name !== 'postern')
    .map(({ name, versionInfo }) => `${name}@${versionInfo}`);
  const brought = filesBelow(installed)
    .filter((path) => /\/node_modules\/(?:@[^/]+\/)?[^/]+\/package\.json$/.test(path.slice(installed.length)))
    .map((path) => JSON.parse(readFileSync(path, 'utf8')) as { name: string; version: string })
    .map(({ name, version }) => `${name}@${version}`);
  assert.deepEqual([...new Set(told)].toSorted(), [...new Set(brought)].toSorted());
});
