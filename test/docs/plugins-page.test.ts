import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { pluginsPage } from './plugins-page.js';

test('docs/plugins.md is what the heads of the plugins say', () => {
  const page = readFileSync(join(packageRoot, 'docs/plugins.md'), 'utf8');
  assert.equal(page, pluginsPage(), 'npm run docs:plugins writes it');
});
