/** What `npm pack` puts into the package: all that an installed postern reads, and nothing else. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';

interface Packed {
  readonly files: readonly { readonly path: string }[];
}

function packed(): string[] {
  const words = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const [first] = JSON.parse(execFileSync('npm', words, { cwd: packageRoot, encoding: 'utf8' })) as Packed[];
  return (first?.files ?? []).map(({ path }) => path);
}

test('the package has the program, its plugins and their list, its manual pages, and no tests or sources', () => {
  const paths = new Set(packed());
  const { bin, man } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    readonly bin: Record<string, string>;
    readonly man: readonly string[];
  };
  const pages = readdirSync(join(packageRoot, 'man')).map((page) => `man/${page}`);
  const installed = man.map((page) => page.slice(2)).toSorted();
  assert.deepEqual(installed, pages.toSorted(), 'npm installs those that "man" of package.json names');
  const needed = [
    ...Object.values(bin),
    'dist/plugins/valid_users.js',
    'dist/plugins/shared/scanner.js',
    ...pages,
    ...readdirSync(join(packageRoot, 'plugins'), { withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.ts'))
      .map(({ name }) => `plugins/${name}`),
    ...readdirSync(join(packageRoot, 'plugins/examples')).map((name) => `plugins/examples/${name}`),
    'packaging/postern.service',
    'srv-example/example.com/checks/spf',
    'README.md',
    'docs/first-hour.md', // README, doctor and import send operators there
    'src/hooks/README.md', // plugins/README.md sends authors there
    'LICENSE',
  ];
  for (const path of needed) assert.ok(paths.has(path), path);
  assert.deepEqual(
    [...paths].filter((path) => /^dist\/test|(?<!\.d)\.ts$|^test|^var/.test(path)),
    [],
  );
});
