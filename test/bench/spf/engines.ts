/**
 * The engines that `npm run bench:spf` measures, each as a process that waits for its turn. The peers are no
 * dependencies of postern: npm fetches mailauth and Node 24 into `var/bench`, cargo and go build the others there,
 * once. Where one of these tools is missing, or fails, its engines are left out, and the table says so.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { benchCases, benchZone, type BenchInput } from './cases.js';

const folder = resolve('var/bench');
const sources = resolve('test/bench/spf');
const worker = fileURLToPath(new URL('worker.js', import.meta.url));

/** A program and its arguments; undefined where it could not be had. */
type Command = readonly string[] | undefined;

export interface EngineEntry {
  readonly name: string;
  readonly command: () => Command;
}

const node = (): string => process.execPath;
const mailauth7 = (): string | undefined => npmPackages('mailauth-7.1.0', ['mailauth@7.1.0', 'node@24']);
const node24 = (): string | undefined => {
  const fetched = mailauth7();
  return fetched && join(fetched, 'node_modules/.bin/node');
};
const thisNode = `Node ${process.versions.node.split('.')[0]}`;

/** In the order of the table. Node 24 stands beside the peers: mailauth 7 needs it; 4.13 is the last for Node 20. */
export const engines: readonly EngineEntry[] = [
  { name: 'postern, Node 24', command: () => withNode(node24(), ['postern']) },
  { name: 'postern, Node 24, DNS cache', command: () => withNode(node24(), ['postern-cache']) },
  { name: `postern, ${thisNode}`, command: () => withNode(node(), ['postern']) },
  { name: `postern, ${thisNode}, DNS cache`, command: () => withNode(node(), ['postern-cache']) },
  { name: 'mail-auth 0.15.1', command: () => rust('mail-auth') },
  { name: 'viaspf 0.6.0', command: () => rust('viaspf') },
  { name: 'blitiri 1.6.0', command: go },
  { name: 'mailauth 7.1.0 strict', command: () => mailauth(mailauth7(), 'strict', node24()) },
  {
    name: `mailauth 4.13.3, ${thisNode}`,
    command: () => mailauth(npmPackages('mailauth-4.13.3', ['mailauth@4.13.3']), 'default', node()),
  },
];

const withNode = (program: string | undefined, words: readonly string[]): Command =>
  program === undefined ? undefined : [program, worker, ...words];

function mailauth(path: string | undefined, mode: string, program: string | undefined): Command {
  return path === undefined ? undefined : withNode(program, [path, mode]);
}

/** The folder with packages of npm, fetched when they are not there yet. */
function npmPackages(name: string, packages: readonly string[]): string | undefined {
  const path = join(folder, name);
  if (existsSync(join(path, 'node_modules'))) return path;
  const install = ['npm', 'install', '--no-audit', '--no-fund', '--prefix', path, ...packages];
  return made(path, install, () => writeFileSync(join(path, 'package.json'), '{"private":true}'));
}

/** mail-auth wants a newer rustc than it needs, so that its wish is not heard. */
function rust(engine: string): Command {
  const path = join(folder, 'spf-peers-rust');
  const program = join(path, 'target/release/spf-peers');
  const build = ['cargo', 'build', '--release', '--ignore-rust-version'];
  if (!existsSync(program) && !made(path, build, () => copySources('rust', path, ['Cargo.toml', 'main.rs'])))
    return undefined;
  return [program, engine];
}

function go(): Command {
  const path = join(folder, 'spf-peers-go');
  const program = join(path, 'spf-peers');
  const build = ['go', 'build', '-o', program];
  if (!existsSync(program) && !made(path, build, () => copySources('go', path, ['go.mod', 'go.sum', 'main.go'])))
    return undefined;
  return [program];
}

function copySources(language: string, path: string, files: readonly string[]): void {
  for (const file of files) copyFileSync(join(sources, language, file), join(path, file));
}

/** Runs a command in a new folder, which is returned; undefined, and no folder, where it fails. */
function made(path: string, [program = '', ...words]: readonly string[], prepare: () => void): string | undefined {
  console.error(`making ${path}: ${program} ${words.join(' ')}`);
  mkdirSync(path, { recursive: true });
  prepare();
  const { status } = spawnSync(program, words, { cwd: path, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status === 0) return path;
  rmSync(path, { recursive: true, force: true });
  console.error(`${program} failed, or is not there`);
  return undefined;
}

/** An engine that runs. */
export class Engine {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;

  constructor([program = '', ...words]: readonly string[]) {
    this.#child = spawn(program, words);
    this.#child.stderr.pipe(process.stderr);
    this.#answers = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
    const input: BenchInput = { zone: benchZone, cases: benchCases };
    this.#child.stdin.write(`${JSON.stringify(input)}\n`);
  }

  /** Evaluations in a second of CPU time, measured for so many microseconds of it. */
  async measure(caseIndex: number, micros: number): Promise<number> {
    this.#child.stdin.write(`${caseIndex} ${micros}\n`);
    const answer = await this.#answers.next();
    if (answer.done) throw new Error(`${this.#child.spawnargs.join(' ')} has ended`);
    return Number(answer.value);
  }

  end(): void {
    this.#child.stdin.end();
  }
}
