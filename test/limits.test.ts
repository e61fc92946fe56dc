/** What the run does with a test file that does not end: it is ended, and what it was doing is said. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inherited } from './support/environment.js';

const limits = fileURLToPath(new URL('./support/limits.js', import.meta.url));

const files: readonly (readonly [what: string, source: string, said: RegExp])[] = [
  ['a test that waits for ever', "test('it', () => new Promise(() => setInterval(() => {}, 1000)));", /in test "it"/],
  ['a test that never gives way', "test('it', () => { for (;;); });", /in test "it"/],
  [
    'a test in a suite',
    "describe('a', () => it('b', () => new Promise(() => setInterval(() => {}, 1000))));",
    /in test "a > b"/,
  ],
  [
    'what follows a test that may be silent for long',
    `import { mayBeSilent } from '${limits}';
     test('long', (t, done) => { mayBeSilent(30_000); setTimeout(done, 4_000); });
     test('it', () => new Promise(() => setInterval(() => {}, 1000)));`,
    /in test "it"/,
  ],
  [
    'a hook before the first test',
    "before(() => new Promise(() => setInterval(() => {}, 1000))); test('it', () => {});",
    /in what precedes its first test/,
  ],
  [
    'a server that is left open',
    "test('it', () => { setInterval(() => {}, 1000); });",
    /in what follows its last test: something is still open/,
  ],
];
for (const [what, source, said] of files)
  test(`${what} is named, and ended`, { timeout: 60_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-limits-'));
    try {
      const file = join(folder, 'some.test.js');
      writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
      writeFileSync(file, `import { before, describe, it, test } from 'node:test';\n${source}\n`);
      const { status, stderr } = spawnSync(process.execPath, [`--import=${limits}`, file], {
        encoding: 'utf8',
        env: { ...inherited(), NODE_TEST_CONTEXT: undefined, POSTERN_TEST_SILENT_MS: '1500' },
      });
      assert.match(stderr, said);
      assert.notEqual(status, 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
