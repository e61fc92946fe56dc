/**
 * `npm test`: runs every test. `npm run t NAME`: runs the one test file whose path holds NAME. `npm run test:fast`:
 * runs those of the pure rooms, which open no port and start no process. All find dist made, which npm sees to; Node's
 * `--import` of dist/test/support/limits.js is handed on to the process of each file.
 */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { run } from 'node:test';
import { spec as Spec, tap } from 'node:test/reporters';

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

/** Files at a time. Most of them wait for other processes more than they compute. */
const concurrency = Math.max(5, availableParallelism());

run({ files: wantedBy(process.argv[2]).map((name) => resolve('dist/test', name)), concurrency })
  .on('test:fail', () => {
    process.exitCode = 1;
  })
  .compose(process.stdout.isTTY ? new Spec() : tap)
  .pipe(process.stdout);

function wantedBy(word) {
  if (word === '--all') return mixed(files);
  return word === '--fast' ? files.filter(isFast) : oneOf(word);
}

/** Neighbours wait for the same, or compute as much: they are not run together. */
function mixed(names) {
  const columns = 17;
  const placed = names.map((name, i) => ({ name, column: i % columns }));
  return placed.toSorted((a, b) => a.column - b.column).map(({ name }) => name);
}

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
