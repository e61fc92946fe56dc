/**
 * `npm run t NAME`: runs the one test file whose path holds NAME. `npm run test:fast`: runs those of the pure rooms,
 * which open no port and start no process. Both find dist made, which npm sees to.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Folders of test/ whose tests need neither ports nor processes. */
const fast = [
  'mail',
  'text',
  'spf',
  'rfc',
  'dns/wire',
  'hooks',
  'settings',
  'srv',
  'store',
  'milter',
  'relay',
  'dkim',
  'quarantine/look',
];

const files = readdirSync('dist/test', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.js'))
  .toSorted();

const wanted = process.argv[2] === '--fast' ? files.filter(isFast) : oneOf(process.argv[2]);
const words = ['--import=./dist/test/support/limits.js', '--test', ...wanted.map((name) => join('dist/test', name))];
process.exitCode = spawnSync(process.execPath, words, { stdio: 'inherit' }).status ?? 1;

function isFast(name) {
  return fast.some((folder) => name.startsWith(`${folder}/`));
}

/** By its whole name (`srv/srv`), or by a part that only one has. */
function oneOf(name) {
  if (name === undefined)
    fail('which one? npm run t NAME, where NAME is a part of its path, such as quarantine/look/query');
  const exact = files.filter((file) => file === `${name}.test.js`);
  const found = exact.length > 0 ? exact : files.filter((file) => file.includes(name));
  if (found.length === 0) fail(`there is no test file with "${name}" in its path`);
  if (found.length > 1)
    fail(`several have "${name}" in their paths: ${found.map((file) => file.slice(0, -8)).join(' ')}`);
  return found;
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}
