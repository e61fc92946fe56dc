/** system_load and unrecognized_commands. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import systemLoad from '../../plugins/system_load.js';
import unrecognizedCommands from '../../plugins/unrecognized_commands.js';
import { testMail } from '../../src/hooks/testing.js';
import { textOf } from './mail.js';

test('system_load passes below its limit and defers with 421 above', async () => {
  assert.equal(textOf(await systemLoad(['9999']).connect?.(testMail({}))), 'pass');
  assert.match(textOf(await systemLoad(['0']).connect?.(testMail({}))), /^defer 421 4\.3\.2$|^pass$/);
});

test('unrecognized_commands counts to its limit', async () => {
  const plugin = unrecognizedCommands(['3']);
  for (const [unknownCommands, expected] of [
    [1, 'pass'],
    [2, 'pass'],
    [3, 'refuse 421 4.7.0'],
    [4, 'refuse 421 4.7.0'],
  ] as const)
    assert.equal(textOf(await plugin.unknownCommand?.({ ...testMail({ unknownCommands }), command: 'FOO' })), expected);
});

for (const args of [['x'], ['-1'], [''], ['1', '2'], ['1e3'], ['0x10']]) {
  test(`bad arguments: ${JSON.stringify(args)}`, () => {
    assert.throws(() => systemLoad(args), /takes one number/);
    assert.throws(() => unrecognizedCommands(args), /takes one number/);
  });
}

test('without arguments both have a limit', () => {
  assert.equal(systemLoad([]).name, 'system_load');
  assert.equal(unrecognizedCommands([]).name, 'unrecognized_commands');
  assert.throws(() => unrecognizedCommands(['0']));
});
