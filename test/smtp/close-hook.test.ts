/** The hook `close`, in a process: plugins of settings that have retired, and of a process that stops. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeRoot, PosternProcess } from '../support/child.js';

const files: Readonly<Record<string, string>> = {
  'made.mjs': `
    let number = 0;
    export default ([word]) => {
      const own = ++number;
      return { name: 'made', connect: () => ({ kind: 'pass' }),
        async close({ log }) { await new Promise((resolve) => setTimeout(resolve, 10)); log.info('closes ' + own); } };
    };`,
  'plain.mjs': `export default { name: 'plain', inspect: () => ({ kind: 'pass' }), close: ({ log }) => log.info('closes') };`,
  'throwing.mjs': `export default { name: 'throwing', inspect: () => ({ kind: 'pass' }), close() { throw new Error('no'); } };`,
  'hanging.mjs': `export default { name: 'hanging', inspect: () => ({ kind: 'pass' }), close: () => new Promise(() => {}) };`,
};

test('a plugin is closed when its settings retire, and when the process stops; one that goes on is closed once', async () => {
  const root = makeRoot(['example.com/users/valid/alice']);
  mkdirSync(join(root, 'mine'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, 'mine', name), text);
  writeFileSync(join(root, 'list'), 'made\nplain\nthrowing\nhanging\n');
  const settings = [
    `plugin_dirs=${join(root, 'mine')}`,
    `plugins=${join(root, 'list')}`,
    'session_timeout=1s',
    'data_timeout=1s',
    'workers=1',
  ];
  const child = await PosternProcess.start({ root, settings, relayPort: 1 });
  try {
    const said = (name: string): unknown[] =>
      child.log.filter(({ plugin }) => plugin === name).map(({ msg, why }) => why ?? msg);
    child.signal('SIGHUP');
    await child.until(() => said('made').length === 1);
    assert.deepEqual([said('made'), said('plain')], [['closes 1'], []]);
    assert.equal(await child.stop(), 0);
    assert.deepEqual([said('made'), said('plain')], [['closes 1', 'closes 2'], ['closes']]);
    assert.deepEqual([said('throwing'), said('hanging')], [['no'], ['not closed within 500 ms']]);
  } finally {
    await child.close();
    rmSync(root, { recursive: true, force: true });
  }
});
