/** Each command has a help of its own, takes -c where it reads settings, and refuses what it does not know. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { commands } from '../../src/cli/commands.js';
import { postern, posternProcess, startPostern } from './support/postern-command.js';

const root = mkdtempSync(join(tmpdir(), 'postern-commands-'));
after(() => rmSync(root, { recursive: true }));
const file = join(root, 'postern.conf');
writeFileSync(file, 'max_size = none\n');

test('names are there once, and a name of two words begins with one of one', () => {
  const names = commands.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.ok(names.includes(name.split(' ')[0] ?? ''), name);
});

for (const words of [
  ['--help'],
  ['plugins'],
  ['plugins', '--help'],
  ['print-config'],
  ['srv', 'lint', `--srv=${root}`],
])
  test(`${words.join(' ')}: a reader that goes away hears no complaint`, async () => {
    const child = startPostern(words);
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    assert.deepEqual([code, stderr], [0, '']);
  });

describe('every command', { concurrency: 2 }, () => {
  for (const { name, settings, settingsWith, run, isApart, words } of commands) {
    const argv = name.split(' ');

    test(`${name} --help`, async () => {
      for (const asked of [
        [...argv, '--help'],
        ['help', ...argv],
      ]) {
        const { code, stdout, stderr } = await postern(asked);
        assert.deepEqual([code, stderr], [0, '']);
        assert.ok(
          stdout.startsWith(`usage: postern ${name} `) || stdout.startsWith(`usage: postern ${name}\n`),
          stdout,
        );
      }
    });

    if (run) {
      test(`${name}: an option that it does not have`, async () => {
        const { code, stdout, stderr } = await postern([...argv, '--frobnicate=1']);
        assert.deepEqual([code, stdout], [64, '']);
        assert.match(stderr, /^postern: [^\n]*--frobnicate[^\n]*\n$/);
        assert.ok(stderr.includes(`postern ${name} --help`), stderr);
      });
    }

    if (run && !isApart && words === undefined) {
      test(`${name}: a word that belongs to nothing`, async () => {
        const { code, stdout, stderr } = await postern([...argv, 'frobnicate']);
        assert.deepEqual([code, stdout], [64, '']);
        assert.equal(stderr, `postern: ${name}: "frobnicate" belongs to no option; see postern ${name} --help\n`);
      });
    }

    if (settings !== undefined) {
      test(`${name}: -c`, async () => {
        const withSettings = [...argv, ...(settingsWith === undefined ? [] : [`--${settingsWith}`])];
        const without = await postern([...withSettings, '-c']);
        assert.deepEqual([without.code, without.stdout], [64, '']);
        assert.equal(
          without.stderr,
          `postern: ${name}: -c needs a value, such as -c FILE; see postern ${name} --help\n`,
        );
        for (const named of [['-c', file], ['--config', file], [`--config=${file}`]]) {
          const { code, stderr } = await postern([...withSettings, ...named]);
          assert.equal(code, 78);
          assert.match(stderr, /^postern: \S+postern\.conf:1: max_size = none: must be a size/);
        }
      });
    }
  }
});

const wrong: readonly (readonly [words: readonly string[], said: string])[] = [
  [
    ['srv'],
    'srv: say what to do: add-domain, allow, block, enable, disable, remove, list, show, expire, lint, explain; see postern srv --help',
  ],
  [['web', 'tokn', 'anna'], 'web: there is no "web tokn"; did you mean token?'],
  [['serve', '--lisen=*:25'], 'serve: there is no option --lisen; did you mean --listen?'],
  [['audit', '--limt=3'], 'audit: there is no option --limt; did you mean --limit?'],
  [['audit', '-x'], 'audit: there is no option -x; see postern audit --help'],
  [
    ['check-config', '-c', file, '--config', file],
    'check-config: --config is given twice; keep one; see postern check-config --help',
  ],
  [['audit', '--json=1'], 'audit: --json takes no value; see postern audit --help'],
  [['audit', '--limit'], 'audit: --limit needs a value, such as --limit=50; see postern audit --help'],
];
for (const [words, said] of wrong) {
  test(`postern ${words.join(' ')}`, async () => {
    assert.deepEqual(await posternProcess(words), { code: 64, stdout: '', stderr: `postern: ${said}\n` });
  });
}
