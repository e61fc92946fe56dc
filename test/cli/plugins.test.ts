/** `postern plugins` and `postern plugin new`: what is told of plugins, and what a new one is made of. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { message, Mx } from '../support/mx.js';
import { inherited } from '../support/environment.js';
import { postern, type Ran } from './support/postern-command.js';

const root = mkdtempSync(join(tmpdir(), 'postern-plugins-'));
after(() => rmSync(root, { recursive: true }));
before(() => {
  mkdirSync(join(root, 'mine'));
  mkdirSync(join(root, 'srv/example.com/users/valid'), { recursive: true });
  writeFileSync(join(root, 'srv/example.com/users/valid/alice'), '');
  writeFileSync(join(root, 'mine/loud.mjs'), '/** loud WORD — shouts at \u001b[2J everybody. And more. */\nthrow 1;\n');
  writeFileSync(join(root, 'mine/mute.mjs'), 'export default {};\n');
  execFileSync('mkfifo', [join(root, 'mine/pipe.mjs')]);
  writeFileSync(join(root, 'list'), 'valid_users\nloud a b anywhere\ngone\n');
});
const settings = [`--srv=${root}/srv`, `--state=${root}/state`, `--plugin_dirs=${root}/mine`];
const plugins = (...words: readonly string[]): Promise<Ran> =>
  postern([...words, ...settings, `--plugins=${root}/list`]);

test('the list comes first in its order, with arguments; nothing is run, and what is not there is said', async () => {
  const { code, stdout } = await plugins('plugins');
  const lines = stdout.split('\n');
  assert.equal(code, 1);
  assert.equal(lines[0], `asked in this order (${root}/list):`);
  assert.match(lines[1] ?? '', /^ {2}valid_users +a recipient is deliverable if /);
  assert.match(lines[2] ?? '', /^ {2}loud a b anywhere +\* shouts at \?\[2J everybody$/);
  assert.match(lines[3] ?? '', /^ {2}gone +there is no such plugin$/);
  assert.ok(lines.indexOf('not in the list:') > 3);
  assert.match(stdout, /^ {2}date +rejects mail without a Date: field/m);
  assert.match(stdout, /^ {2}mute +\* its file has no comment at the top$/m);
  assert.match(stdout, /^ {2}pipe +\* its file has no comment at the top$/m); // nobody waits for who writes to it
});

test('one plugin is told of whole, with its file and its place', async () => {
  const { code, stdout } = await plugins('plugins', 'loud');
  assert.equal(code, 0);
  assert.match(stdout, /^loud WORD — shouts at .*And more\.\n\n/);
  assert.ok(stdout.endsWith(`${root}/mine/loud.mjs, listed at ${root}/list:2: loud a b anywhere\n`), stdout);
  assert.match((await plugins('plugins', 'date')).stdout, /^date — [^]*, not in the list\n$/);
  assert.equal((await plugins('plugins', 'nothing')).code, 1);
});

test('for programs there is JSON', async () => {
  const { stdout } = await plugins('plugins', 'loud', '--json');
  assert.deepEqual(JSON.parse(stdout), {
    name: 'loud',
    place: `${root}/list:2`,
    args: ['a', 'b'],
    anywhere: true,
    file: `${root}/mine/loud.mjs`,
    summary: 'shouts at \u001b[2J everybody',
  });
});

test('a new plugin has a test that passes, is tried out by its marker, and rejects where it is switched on', async () => {
  const { code, stdout } = await plugins('plugin', 'new', 'no_bulk', 'Example.com');
  assert.equal(code, 0);
  assert.match(stdout, /^wrote \S+no_bulk\.mjs\nwrote \S+no_bulk\.test\.mjs\nlinked /);
  assert.ok(stdout.includes(`sed -i '1i no_bulk' ${root}/list\n`), stdout);
  assert.equal(readFileSync(join(root, 'srv/example.com/checks/no_bulk'), 'utf8'), 'log\n');
  execFileSync(process.execPath, ['--test', join(root, 'mine/no_bulk.test.mjs')], { env: inherited() });

  const bulk = { message: message({ fields: ['Precedence: bulk'] }) };
  const mx = await Mx.start({
    markers: ['example.com/users/valid/alice', 'example.com/checks/no_bulk=log'],
    settings: [`plugin_dirs=${root}/mine`],
    plugins: ['valid_users', 'no_bulk'],
  });
  try {
    assert.match(await mx.send(bulk), /^250 /);
    mx.touch('example.com/checks/no_bulk');
    assert.match(await mx.send(bulk), /^550 5\.7\.1 Bulk mail is not wanted here \(/);
    assert.match(await mx.send(), /^250 /);
  } finally {
    await mx.close();
  }
});

test('with the shipped list a new plugin is told to have a list of its own', async () => {
  const { stdout } = await postern(['plugin', 'new', 'another', ...settings]);
  assert.match(
    stdout,
    /^ {2}printf 'another\\n\$include \S+\/plugins\/plugins\\n' >\S+\/plugins\.list\n {2}echo 'plugins = \S+\/plugins\.list' >>\/etc\/postern\.conf\n/m,
  );
  assert.match(stdout, /^ {2}postern srv enable DOMAIN another --log$/m);
});

/** [what is asked, its words, the code, what is said] */
const refused: readonly (readonly [what: string, words: readonly string[], code: number, said: RegExp])[] = [
  ['no name', [], 64, /name the plugin/],
  ['a name with a slash', ['../x'], 64, /is no name of a plugin/],
  ['the name of a plugin that is there', ['date'], 64, /date\.js is there already/],
  ['the name of a hook', ['connect'], 64, /has a meaning already/],
  ['a domain that is not hosted', ['fresh', 'elsewhere.example'], 64, /"elsewhere\.example" is no hosted domain/],
];
for (const [what, words, code, said] of refused)
  test(`a new plugin: ${what}`, async () => {
    const ran = await plugins('plugin', 'new', ...words);
    assert.equal(ran.code, code);
    assert.match(ran.stderr, said);
    assert.ok(!existsSync(join(root, 'mine/fresh.mjs')));
  });

test('a new plugin: a folder that cannot be written, and none at all', async () => {
  const nowhere = await postern(['plugin', 'new', 'fresh', `--srv=${root}/srv`, `--plugin_dirs=${root}/list/mine`]);
  assert.equal(nowhere.code, 73);
  const none = await postern(['plugin', 'new', 'fresh', `--srv=${root}/srv`]);
  assert.match(none.stderr, /say in plugin_dirs where your plugins are/);
});
