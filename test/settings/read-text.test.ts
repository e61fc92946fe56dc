/** Files of settings that are none: no FIFO or device holds up a start or a HUP, and pipes are read once. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { readText } from '../../src/settings/read-text.js';
import { ScriptedMta } from '../relay/support/scripted-mta.js';
import { makeRoot, PosternProcess } from '../support/child.js';
import { inherited } from '../support/environment.js';
import { patience } from '../support/until.js';

function folder(t: TestContext): string {
  const root = makeRoot([]);
  t.after(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

test('files, links to them and /dev/null are read; folders, FIFOs and devices are not', (t) => {
  const root = folder(t);
  const at = (name: string): string => join(root, name);
  writeFileSync(at('file'), 'text\n');
  symlinkSync('file', at('link'));
  mkdirSync(at('folder'));
  execFileSync('mkfifo', [at('fifo')]);
  symlinkSync('fifo', at('to-fifo'));
  assert.equal(readText(at('file')), 'text\n');
  assert.equal(readText(at('link')), 'text\n');
  assert.equal(readText('/dev/null'), '');
  for (const name of ['fifo', 'to-fifo']) assert.throws(() => readText(at(name)), /it is no regular file/);
  assert.throws(() => readText('/dev/zero'), /it is no regular file/);
  assert.throws(() => readText(at('folder')), { code: 'EISDIR' });
  assert.throws(() => readText(at('none')), { code: 'ENOENT' });
});

const program = join(packageRoot, 'dist/src/main.js');

/** Runs a line of bash in which `postern` is the program. */
function bash(line: string): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const script = `postern() { '${process.execPath}' '${program}' "$@"; }; ${line}`;
  return spawnSync('bash', ['-c', script], { encoding: 'utf8', env: inherited(), timeout: patience });
}

test('a command takes its settings from a pipe, and refuses a FIFO in their place', (t) => {
  const root = folder(t);
  execFileSync('mkfifo', [join(root, 'fifo')]);
  for (const line of [
    `postern print-config -c <(echo 'max_size = 123456')`,
    `echo 'max_size = 123456' | postern print-config -c /dev/stdin`,
  ]) {
    const { status, stdout } = bash(line);
    assert.equal(status, 0, line);
    assert.match(stdout, /max_size = 123456/, line);
  }
  for (const words of ['serve -c', 'print-config -c', 'print-config --plugins', 'milter --check-config -c']) {
    const { status, stderr } = bash(`postern ${words} ${root}/fifo`);
    assert.equal(status, 78, words);
    assert.match(stderr, /fifo.*\(it is no regular file\)/, words);
  }
});

test('HUP refuses a FIFO in the place of the file, and mail goes on', async (t) => {
  const root = folder(t);
  const file = join(root, 'postern.conf');
  writeFileSync(file, 'max_size = 123456\n');
  const mta = await ScriptedMta.start();
  const child = await PosternProcess.start({ root, relayPort: mta.port, settings: [`config=${file}`] });
  try {
    rmSync(file);
    execFileSync('mkfifo', [file]);
    child.signal('SIGHUP');
    await child.until(() => child.log.some(({ msg }) => msg === 'not reloaded: the old settings stay'));
    const said = child.log.find(({ msg }) => msg === 'not reloaded: the old settings stay');
    assert.match(
      String(said?.['problems']),
      /postern\.conf: must be a file that can be read \(it is no regular file\)/,
    );
    assert.equal(await child.stop(), 0);
  } finally {
    await child.close();
    await mta.stop();
  }
});
