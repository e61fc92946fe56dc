/**
 * postern beside bare npm smtp-server (the line), Postfix' before-queue filter, Haraka, Debian's qpsmtpd and smtp-sink
 * doing the same work on loopback, in turn in one run:
 *
 *     npm run bench -- [CELL ...] [SERVER ...] [--rounds N] [--node PROGRAM] [--quick]
 *
 *     npm run bench -- c20m10 typical      one cell, one server beside the line
 *     npm run bench -- c20m10 calls        the system calls of a mail as well, by strace
 *
 * Words name cells (cells.ts) and servers by how they begin; without words it is all of them, and the calls. The
 * servers that are written for Node run on PROGRAM, or on this Node (root has Haraka run as nobody, who must be able to
 * start it). --quick: one round, and a tenth of the mails.
 *
 * Each server has had 20,000 mails before its first sample; a sample is a fixed number of mails (slow peers: a tenth,
 * three rounds); another server goes first in each round. Clients of postern and of the line come from 20 addresses by
 * PROXY headers, with names that DNS confirms and that are cached; the others' names are not looked up.
 *
 * Peers that are not installed are left out; HARAKA and QPSMTPD say where they are, BENCH_PEERS a folder in which
 * Haraka is installed by npm where it is missing; qpsmtpd is a package of Debian's. What is archived goes to the
 * folder for temporary files (TMPDIR), and its disk has a say: ext4, for one, makes files at twice the cost for some
 * minutes after many were removed, as at the end of each run. Generator, sink and server share the machine, and
 * others may use it: compare within a run, and CPU rather than rates. Nothing here is a test: it fails when something
 * broke, never because something was slow.
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { errorText } from '../../src/mail/error-text.js';
import { canTrace, countCalls } from './calls.js';
import {
  type Cell,
  type Sample,
  type SampleOptions,
  canDo,
  cells,
  give,
  problemOf,
  takeSample,
  warmUps,
} from './cells.js';
import { haraka } from './haraka.js';
import { postfix } from './postfix.js';
import { qpsmtpd } from './qpsmtpd.js';
import { type CallsRow, type Row, callsTable, cellTable, latencySummary, legend, summary } from './report.js';
import { type Candidate, type Server, line, postern, smtpSink } from './server.js';

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const allCandidates: readonly Candidate[] = [
  line,
  postern('bare domain'),
  postern('typical'),
  postern('typical', 2),
  postfix,
  haraka(2),
  qpsmtpd,
  smtpSink,
];

/** System calls are counted of these, in these cells. */
const countedServers = [line.name, 'bare domain', 'typical'];
const countedCells = ['c1m10', 'c20m10', 'c20m10-pipelined', 'c20m10-rejected'];

interface Options {
  readonly rounds: number;
  readonly node: string;
  readonly candidates: readonly Candidate[];
  readonly cells: readonly Cell[];
  readonly counts: boolean;
  /** So much of each number of mails is given. */
  readonly share: number;
}

const allNames: readonly string[] = [...cells, ...allCandidates].map(({ name }) => name);

/** The names that a word means: the one that it is, or those that begin so. */
function namesOf(word: string): readonly string[] {
  const exact = allNames.filter((name) => name === word);
  const names = exact.length > 0 ? exact : allNames.filter((name) => name.toLowerCase().startsWith(word.toLowerCase()));
  if (names.length === 0) throw new RangeError(`${word}: there are ${allNames.join('; ')}; calls`);
  return names;
}

function optionsOf(argv: readonly string[]): Options {
  const { values, positionals: words } = parseArgs({
    args: [...argv],
    options: { rounds: { type: 'string' }, node: { type: 'string' }, quick: { type: 'boolean' } },
    allowPositionals: true,
  });
  const { node = process.execPath, quick = false } = values;
  const rounds = Number(values.rounds ?? (quick ? 1 : 5));
  if (!Number.isSafeInteger(rounds) || rounds < 1 || rounds > 100) throw new RangeError('--rounds takes 1 to 100');
  const names = words.filter((word) => word !== 'calls').flatMap(namesOf);
  const named = <T extends { readonly name: string }>(all: readonly T[]): readonly T[] => {
    const some = all.filter(({ name }) => names.includes(name));
    return some.length === 0 ? all : some;
  };
  return {
    rounds,
    node,
    candidates: [line, ...named(allCandidates).filter((one) => one !== line)],
    cells: named(cells),
    counts: words.length === 0 || words.includes('calls'),
    share: quick ? 0.1 : 1,
  };
}

/** The local MTA of all servers, in a process of its own. */
class Sink {
  readonly #process: ChildProcess = fork(fileURLToPath(new URL('./sink.js', import.meta.url)));
  readonly #port: Promise<number> = this.#hear().then(({ port }) => port ?? 0);

  get port(): Promise<number> {
    return this.#port;
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  async mails(): Promise<number> {
    this.#process.send('mails');
    return (await this.#hear()).mails ?? 0;
  }

  #hear(): Promise<{ readonly port?: number; readonly mails?: number }> {
    return new Promise((resolve) => this.#process.once('message', resolve));
  }

  /** Where the terminal has sent it our signal, it has gone already. */
  close(): void {
    if (this.#process.connected) this.#process.disconnect();
  }
}

/** Slow servers are not waited for any longer. */
const maxSlowRounds = 3;

/** One whole run; `broken` once something did not work. */
class Bench {
  broken = false;
  #closing = false;
  readonly #options: Options;
  readonly #root: string;
  readonly #sink = new Sink();
  readonly #servers = new Map<string, Server>();
  readonly #samples = new Map<string, Sample[]>();
  readonly #problems = new Map<string, string>();

  constructor(options: Options) {
    this.#options = options;
    this.#root = mkdtempSync(join(tmpdir(), 'postern-bench-'));
    chmodSync(this.#root, 0o755); // peers may run as another user
  }

  async run(): Promise<void> {
    const { node, rounds, counts } = this.#options;
    const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
    say(`Node ${version}, ${cpus().length} cores, ${cpus()[0]?.model ?? ''}, ${rounds} rounds`);
    for (const candidate of this.#options.candidates) await this.#start(candidate);
    for (const [name, server] of this.#servers)
      for (const cell of warmUps(server)) await this.#try(cell, name, () => give(this.#given(server, cell)));
    for (let round = 0; round < rounds; round++) for (const cell of this.#options.cells) await this.#round(cell, round);
    const tables = this.#options.cells.map((cell) => ({ name: cell.name, rows: this.#rows(cell) }));
    say(`\n${legend}\n`);
    for (const { name, rows } of tables) say(cellTable(name, rows, line.name));
    say(`CPU · rate, as shares of the line:\n\n${summary(tables, line.name)}`);
    say(`p50 · p99 from MAIL to the last reply, ms:\n\n${latencySummary(tables)}`);
    if (counts && canTrace()) say(callsTable(await this.#countCalls()));
  }

  async #start({ name, start }: Candidate): Promise<void> {
    const dir = join(this.#root, name.replace(/\W+/g, '-'));
    mkdirSync(dir);
    try {
      const server = await start({ dir, sinkPort: await this.#sink.port, node: this.#options.node });
      if (!server) return say(`  ${name}: not installed, left out`);
      this.#servers.set(name, server);
      const problem = server.judges === true ? await problemOf(server) : undefined;
      if (problem !== undefined) throw new Error(problem);
      say(`  ${name}: ${server.child.greeting}`);
    } catch (error) {
      this.#break(name, `cannot be measured: ${(error as Error).message}\n${lastLines(join(dir, 'log'))}`);
      await this.#servers.get(name)?.child.stop();
      this.#servers.delete(name);
    }
    return undefined;
  }

  #given(server: Server, cell: Cell): SampleOptions {
    const count = Math.ceil(cell.count * this.#options.share);
    return { server, cell: { ...cell, count }, delivered: () => this.#sink.mails(), ours: [this.#sink.pid] };
  }

  /** Each server once, another one first each time. */
  async #round(cell: Cell, round: number): Promise<void> {
    const able = [...this.#servers].filter(
      ([, server]) => canDo(server, cell) && (server.isSlow !== true || round < maxSlowRounds),
    );
    const first = round % Math.max(1, able.length);
    for (const [name, server] of [...able.slice(first), ...able.slice(0, first)]) {
      const sample = await this.#try(cell, name, () => takeSample(this.#given(server, cell)));
      if (sample) this.#samples.set(keyOf(cell, name), [...(this.#samples.get(keyOf(cell, name)) ?? []), sample]);
    }
  }

  /** A server that has failed at a cell is not given it again. */
  async #try<T>(cell: Cell, name: string, act: () => Promise<T>): Promise<T | undefined> {
    if (this.#closing || this.#problems.has(keyOf(cell, name))) return undefined;
    try {
      return await act();
    } catch (error) {
      this.#problems.set(keyOf(cell, name), (error as Error).message);
      this.#break(name, `${cell.name}: ${(error as Error).message}`);
      return undefined;
    }
  }

  async #countCalls(): Promise<readonly CallsRow[]> {
    const counted: CallsRow[] = [];
    for (const cell of this.#options.cells.filter(({ name }) => countedCells.includes(name)))
      for (const [name, server] of this.#servers) {
        if (!countedServers.includes(name)) continue;
        const calls = await this.#try(cell, name, () => countCalls(this.#given(server, cell)));
        if (calls) counted.push({ cell: cell.name, name, calls });
      }
    return counted;
  }

  #break(name: string, problem: string): void {
    if (this.#closing) return;
    this.broken = true;
    say(`  ${name}: ${problem}`);
  }

  #rows(cell: Cell): readonly Row[] {
    return [...this.#servers].flatMap(([name, server]): Row[] => {
      if (!canDo(server, cell)) return [];
      const key = keyOf(cell, name);
      return [{ name, samples: this.#problems.get(key) ?? this.#samples.get(key) ?? [] }];
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#servers.values()].map(({ child }) => child.stop()));
    this.#sink.close();
    rmSync(this.#root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

const keyOf = (cell: Cell, name: string): string => `${cell.name}\n${name}`;

function lastLines(log: string): string {
  try {
    return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
  } catch {
    return '';
  }
}

function givenOptions(): Options {
  try {
    return optionsOf(process.argv.slice(2));
  } catch (error) {
    say(`bench: ${errorText(error)}`);
    return process.exit(64);
  }
}

const bench = new Bench(givenOptions());
const interrupted = new Promise<'interrupted'>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('interrupted'));
});
try {
  const ended = await Promise.race([bench.run(), interrupted]);
  if (ended === 'interrupted') process.exitCode = 130;
  else if (bench.broken) process.exitCode = 1;
} finally {
  await bench.close();
}
process.exit();
