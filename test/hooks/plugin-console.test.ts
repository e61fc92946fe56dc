/** What plugins write to the console, as lines of the log. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadPlugins } from '../../src/hooks/load.js';
import { consoleToLog } from '../../src/hooks/plugin-console.js';
import type { Plugin } from '../../src/hooks/plugin.js';
import { testMail } from '../../src/hooks/testing.js';

const folder = mkdtempSync(join(tmpdir(), 'postern-console-'));
const untouched = { ...console };
const log: string[] = [];
const line =
  (level: string) =>
  (details: object, text: string): void => {
    log.push(`${level} ${(details as { plugin: string }).plugin}: ${text}`);
  };

const talker = `
console.log('read');
export default { name: 'called otherwise', async connect() {
  console.log('now %d', 1);
  console.warn('two\\nlines');
  console.debug({ a: 1 });
  console.error(new Error('oops').message);
  await null;
  console.info('later');
  await new Promise((resolve) => setTimeout(() => { console.log('from a timer'); resolve(); }, 1));
  setTimeout(console.log, 1, 'by nobody');
  return { kind: 'pass' };
} };
`;

let plugin: Plugin | undefined;
before(async () => {
  consoleToLog({ debug: line('debug'), info: line('info'), warn: line('warn') });
  writeFileSync(join(folder, 'talker.mjs'), talker);
  writeFileSync(join(folder, 'list'), 'talker\n');
  const loaded = await loadPlugins(join(folder, 'list'), [folder]);
  assert.ok(loaded.ok);
  [plugin] = loaded.value;
});
after(() => {
  Object.assign(console, untouched);
  rmSync(folder, { recursive: true });
});

test('each line has the name by which the plugin is listed, whenever it is written', async () => {
  assert.deepEqual(log.splice(0), ['info talker: read']);
  await plugin?.connect?.(testMail({}));
  assert.deepEqual(log.splice(0), [
    'info talker: now 1',
    'warn talker: two\nlines',
    'debug talker: { a: 1 }',
    'warn talker: oops',
    'info talker: later',
    'info talker: from a timer',
  ]);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(log.splice(0), ['info plugin: by nobody']);
});

test('where a plugin makes stacks otherwise, it is named all the same', async () => {
  const { prepareStackTrace } = Error;
  try {
    for (const make of [
      (_: unknown, frames: unknown) => frames,
      () => {
        throw new Error('no stacks');
      },
    ]) {
      Error.prepareStackTrace = make;
      await plugin?.connect?.(testMail({}));
      Error.prepareStackTrace = prepareStackTrace;
      assert.equal(log.splice(0)[0], 'info talker: now 1');
    }
  } finally {
    Object.assign(Error, { prepareStackTrace });
  }
});
