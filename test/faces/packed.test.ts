/**
 * The package as others have it: packed, put into an empty project beside what it depends on, compiled against under
 * `strict` without `skipLibCheck`, and run. The programs are those of the rooms' README files.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { inherited } from '../support/environment.js';
import { freePort } from '../support/free-port.js';
import { needPeer } from '../support/peers.js';
import { Postfix } from '../support/postfix.js';
import { RawClient } from '../support/raw-client.js';
import { until } from '../support/until.js';

let project: string;

before(() => {
  project = mkdtempSync(join(tmpdir(), 'postern-packed-'));
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], {
      cwd: packageRoot,
      encoding: 'utf8',
    }),
  ) as { filename: string }[];
  execFileSync('tar', ['-xzf', join(project, packed?.filename ?? ''), '-C', project]);
  mkdirSync(join(project, 'node_modules'));
  cpSync(join(project, 'package'), join(project, 'node_modules/postern'), { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(join(project, 'package/package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  // What npm would install: what the package depends on, and what that does, and nothing that only we develop with.
  for (const name of closure(Object.keys(dependencies))) {
    mkdirSync(dirname(join(project, 'node_modules', name)), { recursive: true });
    symlinkSync(join(packageRoot, 'node_modules', name), join(project, 'node_modules', name));
  }
  writeFileSync(join(project, 'package.json'), '{"type":"module"}');
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        module: 'nodenext',
        target: 'ES2023',
        types: ['node'],
        outDir: 'out',
        exactOptionalPropertyTypes: true,
      },
      include: ['*.ts'],
    }),
  );
});
after(() => rmSync(project, { recursive: true, force: true }));

function closure(names: readonly string[]): ReadonlySet<string> {
  const all = new Set<string>();
  const visit = (name: string): void => {
    const manifest = join(packageRoot, 'node_modules', name, 'package.json');
    if (all.has(name) || !existsSync(manifest)) return;
    all.add(name);
    const { dependencies = {} } = JSON.parse(readFileSync(manifest, 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    for (const further of Object.keys(dependencies)) visit(further);
  };
  for (const name of names) visit(name);
  return all;
}

/** The one block of code of that language in the room's README. */
function example(room: string): string {
  const readme = readFileSync(join(packageRoot, 'src', room, 'README.md'), 'utf8');
  return /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? assert.fail(`src/${room}/README.md has no example`);
}

function compile(): void {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
}

/** Further programs of a README: blocks whose first line is `// NAME.ts`. */
function namedExamples(room: string): readonly (readonly [name: string, text: string])[] {
  const readme = readFileSync(join(packageRoot, 'src', room, 'README.md'), 'utf8');
  return [...readme.matchAll(/```ts\n\/\/ (\S+\.ts)\n([\s\S]*?)```/g)].map(([, name = '', text = '']) => [name, text]);
}

test('the examples of all faces compile under strict, types of libraries included', () => {
  for (const room of ['spf', 'dns', 'milter', 'hooks'])
    writeFileSync(join(project, `${room === 'hooks' ? 'no_bulk' : room}.ts`), example(room));
  for (const [name, text] of namedExamples('milter')) writeFileSync(join(project, name), text);
  compile();
  const compiled = ['dns.js', 'filter-messages.js', 'milter.js', 'no_bulk.js', 'spf.js', 'test-filter.js'];
  assert.deepEqual(readdirSync(join(project, 'out')).toSorted(), compiled);
});

const run = (file: string): string =>
  execFileSync(process.execPath, [join(project, 'out', file)], { encoding: 'utf8', env: inherited() });

test('postern/spf and postern/dns judge a mail over a zone', () => {
  assert.equal(run('spf.js'), 'fail: example.org does not permit 203.0.113.9 to send its mail by -all\n');
  assert.equal(run('dns.js'), 'mail.example.org\n');
});

test('a filter is tested without an MTA', () => {
  assert.deepEqual(run('test-filter.js').trimEnd().split('\n'), [
    'continue [',
    "  { name: 'From', value: 'a@b.example' },",
    "  { name: 'X-Recipients', value: '1' }",
    ']',
    'invoice',
    'reject',
  ]);
});

test('postern/spf needs no package and nothing of Node', () => {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const [, from = ''] of readFileSync(file, 'utf8').matchAll(
      /^(?:import|export)\b[^;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    )) {
      assert.ok(from.startsWith('.'), `${file} imports ${from}`);
      visit(join(dirname(file), from));
    }
  };
  visit(join(project, 'node_modules/postern/dist/src/spf/index.js'));
  assert.ok(seen.size > 10);
});

test('the filter of twenty lines is asked by Postfix', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const port = await freePort();
  const filter = spawn(process.execPath, [join(project, 'out/milter.js'), `inet:127.0.0.1:${port}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: inherited(),
  });
  let said = '';
  filter.stdout.on('data', (text: Buffer) => (said += text.toString()));
  const settings = [`smtpd_milters = inet:127.0.0.1:${port}`, 'milter_default_action = tempfail'];
  const postfix = await Postfix.start({ domains: ['example.com'], settings });
  try {
    await until(() => said !== '', 'the filter listens');
    const lines = ['EHLO client.example', 'MAIL FROM:<a@sender.example>', 'RCPT TO:<alice@example.com>'];
    const client = await RawClient.open({ port: postfix.port });
    await client.sayAll(...lines, 'RCPT TO:<bob@example.com>');
    assert.match(await client.say('RCPT TO:<eve@example.com>'), /^452 4\.5\.3 /);
    assert.match(await client.sayAll('RSET', ...lines.slice(1), 'DATA', 'Subject: x\r\n\r\nx\r\n.'), /^250 /);
    client.end();
    await postfix.until(() => postfix.delivered.length === 1);
    assert.match(postfix.delivered[0]?.text ?? '', /^X-Recipients: 1$/m);
  } finally {
    filter.kill();
    await postfix.close();
  }
});

test('a plugin in a folder far from any package imports postern/plugin', () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-own-'));
  try {
    cpSync(join(project, 'out/no_bulk.js'), join(folder, 'no_bulk.mjs'));
    writeFileSync(join(folder, 'list'), 'valid_users\nno_bulk\n');
    writeFileSync(join(folder, 'mail.eml'), 'From: a@b.example\r\nPrecedence: bulk\r\nSubject: x\r\n\r\nx\r\n');
    mkdirSync(join(folder, 'srv/example.com/checks'), { recursive: true });
    mkdirSync(join(folder, 'srv/example.com/users/valid'), { recursive: true });
    writeFileSync(join(folder, 'srv/example.com/checks/no_bulk'), '');
    writeFileSync(join(folder, 'srv/example.com/users/valid/alice'), '');
    writeFileSync(join(folder, 'zone.json'), '{}');
    const flags = [
      'plugins=list',
      'plugin_dirs=.',
      'srv=srv',
      'spam=spam',
      'state=state',
      'dns_zone=zone.json',
      'message=mail.eml',
    ];
    const words = [...flags, 'ip=192.0.2.1', 'helo=h.example', 'from=a@b.example', 'to=alice@example.com'];
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [join(project, 'node_modules/postern/dist/src/main.js'), 'test', ...words.map((word) => `--${word}`)],
      { cwd: folder, encoding: 'utf8', env: inherited() },
    );
    assert.match(stdout, /550 5\.7\.1 Bulk mail is not wanted here/, stderr);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
