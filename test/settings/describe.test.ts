import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsHelp, settingsManual } from '../../src/settings/describe.js';
import { nearest } from '../../src/settings/nearest.js';
import { entries } from '../../src/settings/schema.js';

test('--help has a line for each setting: flag, meaning, default', () => {
  const lines = settingsHelp().trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => /^ {2}--([a-z_]+)=/.exec(line)?.[1]),
    [...entries.keys()],
  );
  assert.match(lines[0] ?? '', /^ {2}--listen=ENDPOINT,\.\.\. +where to take mail \(\*:25\)$/);
});

test('the manual has a row for each setting, and no text that man would take for a macro', () => {
  const lines = settingsManual().split('\n');
  assert.equal(lines.filter((line) => line === '.TP').length, entries.size);
  assert.ok(lines.every((line) => !/^[.'](?!TP$|BR )/.test(line)));
});

const table: readonly [word: string, expected: string | undefined][] = [
  ['lisen', 'listen'],
  ['maxsize', 'max_size'],
  ['relay_network', 'relay_networks'],
  ['log-level', 'log_level'],
  ['ralay', 'relay'],
  ['srv', 'srv'],
  ['svr', 'srv'],
  ['colour', undefined],
  ['', undefined],
  ['x'.repeat(10_000), undefined],
];
for (const [word, expected] of table) {
  test(`nearest to ${JSON.stringify(word.slice(0, 20))} is ${expected ?? 'nothing'}`, () => {
    assert.equal(nearest(word, entries.keys()), expected);
  });
}
