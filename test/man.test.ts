import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { packageRoot } from '../src/cli/package-root.js';
import { settingsManual } from '../src/settings/describe.js';

test('postern.conf(5) has every setting, as the schema has it', () => {
  const page = readFileSync(`${packageRoot}/man/postern.conf.5`, 'utf8');
  assert.ok(page.includes(settingsManual()), 'put the output of settingsManual() under SETTINGS in man/postern.conf.5');
});
