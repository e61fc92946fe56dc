/**
 * The container files and compose files: they name what there is, set what may be set, and run nothing as root. Where
 * there is an engine, the images are made and started.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { loadSettings } from '../../src/settings/settings.js';
import { needPeer } from '../support/peers.js';

const packaging = join(packageRoot, 'packaging');
const below = (name: RegExp): string[] =>
  readdirSync(packaging, { recursive: true, encoding: 'utf8' }).filter((path) => name.test(path));
const read = (path: string): string => readFileSync(join(packaging, path), 'utf8');

/** [instruction, its words], lines that end in a backslash joined. */
const instructionsOf = (path: string): (readonly [string, string])[] =>
  read(path)
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => [line.split(' ')[0] ?? '', line.slice(line.indexOf(' ') + 1).trim()]);

const known = 'FROM WORKDIR COPY RUN ENV USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD'.split(' ');

for (const path of below(/(?:^|\/)Containerfile$/)) {
  const instructions = instructionsOf(path);
  const all = (name: string): string[] => instructions.flatMap(([one, words]) => (one === name ? [words] : []));

  test(`${path} has a syntax, and copies what is there`, () => {
    assert.equal(instructions[0]?.[0], 'FROM');
    for (const [name, words] of instructions) assert.ok(known.includes(name), `${name} ${words}`);
    for (const from of all('FROM')) assert.match(from, /^docker\.io\/[a-z/]+:(?!latest)[\w.-]+(?: AS build)?$/);
    const context = path.includes('postfix') ? dirname(join(packaging, path)) : packageRoot;
    for (const words of all('COPY').filter((one) => !one.startsWith('--from=')))
      assert.ok(existsSync(join(context, words.split(/\s+/)[0] ?? '')), words);
    for (const name of ['VOLUME', 'ENTRYPOINT', 'CMD'])
      for (const words of all(name)) if (words.startsWith('[')) assert.ok(Array.isArray(JSON.parse(words)), words);
    for (const words of all('RUN').filter((one) => one.includes('apt-get install')))
      assert.match(words, /--no-install-recommends .*rm -rf \/var\/lib\/apt\/lists/);
  });

  if (path.includes('postfix')) continue;
  test(`${path} runs as a user, says whether it is ready, and starts a command that there is`, () => {
    assert.deepEqual(all('USER'), ['node']);
    assert.match(all('HEALTHCHECK').join(), /\/readyz/);
    const [command = ''] = JSON.parse(all('CMD').at(-1) ?? '[]') as string[];
    const help = spawnSync(process.execPath, [join(packageRoot, 'dist/src/main.js'), command, '--help']);
    assert.equal(help.status, 0);
  });
}

test('the image of the MX sets settings that there are, to what they may be', () => {
  const env = Object.fromEntries(
    [...read('mx/Containerfile').matchAll(/(POSTERN_[A-Z_]+)=(\S+)/g)].map(([, name = '', value]) => [name, value]),
  );
  assert.ok(Object.keys(env).length >= 3);
  const loaded = loadSettings({ argv: [], env, hostname: 'mx.example.org', readFile: noFile });
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.problem.join('\n'));
});

function noFile(): never {
  throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
}

interface Service {
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly image?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
  readonly networks?: Readonly<Record<string, unknown>>;
}

/** As YAML 1.1 has it, which is what the engines read. */
function yaml(path: string): Compose {
  const program = 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)';
  const { status, stdout, stderr } = spawnSync('python3', ['-c', program], { input: read(path), encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Compose;
}

for (const path of below(/(?:^|\/)compose\.yaml$/))
  test(`${path}: what its services refer to is there`, (t) => {
    if (!needPeer(t, 'python3-yaml')) return;
    const { services, volumes = {}, networks = {} } = yaml(path);
    assert.ok(Object.keys(services).length >= 2);
    for (const [name, service] of Object.entries(services)) {
      const { build, image } = service;
      assert.ok((build === undefined) !== (image === undefined), name);
      const folder = join(packaging, dirname(path));
      // Docker looks for Dockerfile where nothing else is said, so that is said.
      if (build) assert.ok(existsSync(join(folder, build.context, build.dockerfile)), build.dockerfile);
      else assert.match(image ?? '', /^docker\.io\/[a-z/]+:(?!latest)[\w.-]+$/);
      for (const other of Object.keys(service.depends_on ?? {})) assert.ok(other in services, other);
      for (const volume of service.volumes ?? []) assert.ok((volume.split(':')[0] ?? '') in volumes, volume);
      for (const network of service.networks ?? []) assert.ok(network in networks, network);
      for (const port of service.ports ?? []) assert.match(port, /^(?:127\.0\.0\.1:)?\d+:\d+$/);
    }
  });

test('the compose file of the MX sets settings that there are, and joins what belongs together', (t) => {
  if (!needPeer(t, 'python3-yaml')) return;
  const { services, networks } = yaml('mx/compose.yaml');
  const { environment = {}, ports = [] } = services['postern'] ?? {};
  const image = instructionsOf('mx/Containerfile').flatMap(([name, words]) => (name === 'ENV' ? words.split(' ') : []));
  const env = { ...Object.fromEntries(image.map((pair) => pair.split('='))), ...environment } as Record<string, string>;
  const loaded = loadSettings({ argv: [], env, hostname: 'mx.example.org', readFile: noFile });
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.problem.join('\n'));
  const { listen, web, relay } = loaded.value.settings;
  assert.ok(ports.includes(`25:${listen[0]?.kind === 'any' ? listen[0].port : ''}`));
  assert.ok(ports.includes(`127.0.0.1:${web?.port}:${web?.port}`), 'the page is for this host alone');
  assert.match(JSON.stringify(relay), /postfix/);
  const mainCf = read('mx/postfix/main.cf');
  const [, subnet = ''] = /"subnet":"([^"]+)"/.exec(JSON.stringify(networks)) ?? [];
  assert.match(mainCf, new RegExp(`^mynetworks = .*${subnet.replaceAll('.', '\\.')}`, 'm'));
  assert.match(read('mx/postfix/Containerfile'), new RegExp(`${env['POSTERN_RELAY']?.split(':')[1]}/inet=`));
});

for (const path of below(/\/postfix\/main\.cf$/))
  test(`Postfix has nothing to say against ${path}`, (t) => {
    if (!needPeer(t, 'postfix')) return;
    const folder = mkdtempSync(join(tmpdir(), 'postern-main-cf-'));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'main.cf'), read(path));
    writeFileSync(join(folder, 'master.cf'), 'smtp inet n - n - - smtpd\n');
    const { status, stderr } = spawnSync('postconf', ['-c', folder, '-n'], { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
  });

test('an engine makes the images, and what is in them runs', { timeout: 1_200_000 }, (t) => {
  const { status, stdout } = spawnSync('docker', ['info', '--format', '{{.ServerVersion}}'], { encoding: 'utf8' });
  if (status !== 0 || stdout.trim() === '') return t.skip('there is no engine');
  for (const name of ['mx', 'milter', 'submission']) {
    const tag = `postern-test-${name}`;
    const words = ['build', '-q', '-f', `packaging/${name}/Containerfile`, '-t', tag, '.'];
    const built = spawnSync('docker', words, { cwd: packageRoot, encoding: 'utf8' });
    assert.equal(built.status, 0, built.stderr);
    const ran = spawnSync('docker', ['run', '--rm', tag, '--version'], { encoding: 'utf8' });
    assert.match(ran.stdout, /^postern \d/, ran.stderr);
  }
});
