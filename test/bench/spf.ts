/**
 * `npm run bench:spf`: how many evaluations postern does in a second of CPU time, and how many npm mailauth does, in
 * turn, with DNS in memory. mailauth 7.1 in its strict mode is what there is beside postern that judges as the RFC
 * says; it needs Node 22, so that postern runs on the same Node 24 beside it. 4.13 is the last for Node 20.
 *
 * mailauth and Node 24 are not postern's dependencies: they are fetched into `var/bench`, once.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { benchCases } from './spf-cases.js';

const rounds = 3;
const folder = resolve('var/bench');
const worker = fileURLToPath(new URL('spf-worker.js', import.meta.url));

type Rates = Readonly<Record<string, number>>;

interface Engine {
  readonly name: string;
  readonly node: string;
  readonly words: readonly string[];
  readonly rounds: Rates[];
}

const old = fetched('mailauth-4.13.3', ['mailauth@4.13.3']);
const strict = fetched('mailauth-7.1.0', ['mailauth@7.1.0', 'node@24']);
const node24 = join(strict, 'node_modules/.bin/node');

const postern: Engine = { name: 'postern', node: process.execPath, words: ['postern'], rounds: [] };
const postern24: Engine = { name: 'postern', node: node24, words: ['postern'], rounds: [] };
const mailauth4: Engine = { name: 'mailauth 4.13.3', node: process.execPath, words: [old, 'default'], rounds: [] };
const mailauth7: Engine = { name: 'mailauth 7.1.0 strict', node: node24, words: [strict, 'strict'], rounds: [] };
const pairs = [
  [postern24, mailauth7],
  [postern, mailauth4],
] as const;

for (let round = 0; round < rounds; round++) for (const engine of pairs.flat()) engine.rounds.push(measure(engine));
for (const [ours, other] of pairs) print(ours, other);

/** The folder with packages of npm, fetched when they are not there yet. */
function fetched(name: string, packages: readonly string[]): string {
  const path = join(folder, name);
  if (existsSync(join(path, 'node_modules'))) return path;
  console.error(`fetching ${packages.join(' and ')} into ${path}`);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'package.json'), '{"private":true}');
  const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--prefix', path, ...packages], {
    cwd: path,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) {
    rmSync(path, { recursive: true, force: true });
    console.error(`npm could not install ${packages.join(' and ')}`);
    process.exit(1);
  }
  return path;
}

function measure({ node, words }: Engine): Rates {
  const { stdout, status } = spawnSync(node, [worker, ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${words[0]} ended with ${status}`);
  return JSON.parse(stdout) as Rates;
}

function print(ours: Engine, other: Engine): void {
  const version = spawnSync(ours.node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  console.log(`\nevaluations in a second of CPU time, Node ${version}, median of ${rounds} rounds`);
  console.log(`${''.padEnd(34)}${ours.name.padStart(12)}${other.name.padStart(24)}     ratio`);
  for (const { name } of benchCases) {
    const [one, two] = [medianOf(ours, name), medianOf(other, name)];
    console.log(
      `${name.padEnd(34)}${shown(one).padStart(12)}${shown(two).padStart(24)}${(one / two).toFixed(1).padStart(10)}`,
    );
  }
}

function medianOf({ rounds: all }: Engine, name: string): number {
  const sorted = all.map((rates) => rates[name] ?? 0).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function shown(rate: number): string {
  return Math.round(rate).toLocaleString('en');
}
