/**
 * postern beside bare npm smtp-server, Postfix' before-queue filter, Haraka and Debian's qpsmtpd doing the same work on
 * loopback, in turn in one run:
 *
 *     npm run bench -- [--rounds N] [--seconds S] [--workers N] [--only NAME,...]
 *
 *     --rounds     how often each workload goes round all servers (3)
 *     --seconds    of one sample (1)
 *     --workers    2 or more: postern and Haraka once more, with so many processes
 *     --only       servers whose names begin so; the bare line too, if it is to be compared with
 *
 * Peers that are not installed are left out; HARAKA and QPSMTPD say where they are, BENCH_PEERS a folder in which
 * Haraka is installed by npm where it is missing; qpsmtpd is a package of Debian's. What is archived goes to the
 * folder for temporary files (TMPDIR), and its disk has a say: ext4, for one, makes files at twice the cost for some
 * minutes after many were removed, as at the end of each run. Generator, sink and server share the machine, and
 * others may use it: compare within a run, and CPU seconds rather than mails/s. Nothing here is a test: it fails when
 * something broke, never because something was slow.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { haraka } from './haraka.js';
import { postfix } from './postfix.js';
import { qpsmtpd } from './qpsmtpd.js';
import { type Row, legend, table } from './report.js';
import { type Candidate, type Server, bare, postern } from './server.js';
import {
  type Sample,
  type Workload,
  canDo,
  problemOf,
  takeSample,
  warmUp,
  warmUpMails,
  workloads,
} from './workload.js';

const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly candidates: readonly Candidate[];
}

function optionsOf(argv: readonly string[]): Options {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...argv],
    options: { rounds: text, seconds: text, workers: text, only: text },
  });
  const number = (name: 'rounds' | 'seconds' | 'workers', byDefault: number): number => {
    const value = Number(values[name] ?? byDefault);
    if (!(value > 0 && value <= 100)) throw new RangeError(`--${name} takes a number above 0, at most 100`);
    return value;
  };
  const workers = Math.ceil(number('workers', 1));
  const several = workers > 1 ? [postern('typical', workers), haraka(workers)] : [];
  const own = [postern('bare domain'), postern('typical')];
  const all = [bare('prompt'), bare('stock'), ...own, postfix, haraka(1), ...several, qpsmtpd];
  const wanted = values.only?.split(',') ?? [''];
  const candidates = all.filter(({ name }) =>
    wanted.some((start) => name.toLowerCase().startsWith(start.toLowerCase())),
  );
  if (candidates.length === 0) throw new RangeError(`--only: there are ${all.map(({ name }) => name).join('; ')}`);
  return { rounds: Math.ceil(number('rounds', 3)), seconds: number('seconds', 1), candidates };
}

/** The local MTA of all servers, in a process of its own. */
class Sink {
  readonly #process: ChildProcess = fork(fileURLToPath(new URL('./sink.js', import.meta.url)));
  readonly #port: Promise<number> = this.#hear().then(({ port }) => port ?? 0);

  get port(): Promise<number> {
    return this.#port;
  }

  async mails(): Promise<number> {
    this.#process.send('mails');
    return (await this.#hear()).mails ?? 0;
  }

  #hear(): Promise<{ readonly port?: number; readonly mails?: number }> {
    return new Promise((resolve) => this.#process.once('message', resolve));
  }

  close(): void {
    this.#process.disconnect();
  }
}

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
    say(`Node ${process.version}, ${cpus().length} cores, ${cpus()[0]?.model ?? ''}`);
    for (const candidate of this.#options.candidates) await this.#start(candidate);
    await this.#warmUp();
    for (let round = 1; round <= this.#options.rounds; round++) {
      for (const workload of workloads) {
        await this.#round(workload, round, (name, sample) => this.#keep(workload, name, sample));
      }
    }
    say(`\n${legend}\n`);
    for (const workload of workloads) say(this.#table(workload));
  }

  async #start({ name, start }: Candidate): Promise<void> {
    const dir = join(this.#root, name.replace(/\W+/g, '-'));
    mkdirSync(dir);
    try {
      const server = await start({ dir, sinkPort: await this.#sink.port });
      if (!server) return say(`  ${name}: not installed, left out`);
      this.#servers.set(name, server);
      const problem = server.judges ? await problemOf(server) : undefined;
      if (problem !== undefined) throw new Error(problem);
      say(`  ${name}: ${server.child.greeting}`);
    } catch (error) {
      this.#break(name, `cannot be measured: ${(error as Error).message}\n${lastLines(join(dir, 'log'))}`);
      await this.#servers.get(name)?.child.stop();
      this.#servers.delete(name);
    }
    return undefined;
  }

  /** A fresh process costs twice as much a mail: all have had as many before the first sample. */
  async #warmUp(): Promise<void> {
    const mails = new Map<string, number>();
    const isWarm = ([name]: [string, Server]): boolean => (mails.get(name) ?? 0) >= warmUpMails;
    for (let round = 0; round < maxWarmUps && ![...this.#servers].every(isWarm); round++) {
      for (const workload of warmUp)
        await this.#round(workload, round, (name, sample) => mails.set(name, (mails.get(name) ?? 0) + sample.mails));
    }
  }

  /** Each server once, another one first each time. */
  async #round(workload: Workload, round: number, keep: (name: string, sample: Sample) => void): Promise<void> {
    const able = [...this.#servers].filter(([, server]) => canDo(server, workload));
    const first = round % Math.max(1, able.length);
    for (const [name, server] of [...able.slice(first), ...able.slice(0, first)]) {
      if (this.#closing) return;
      if (this.#problems.has(keyOf(workload, name))) continue;
      const delivered = (): Promise<number> => this.#sink.mails();
      try {
        keep(name, await takeSample({ server, workload, seconds: this.#options.seconds, delivered }));
      } catch (error) {
        this.#problems.set(keyOf(workload, name), (error as Error).message);
        this.#break(name, `${workload.name}: ${(error as Error).message}`);
      }
    }
  }

  #keep(workload: Workload, name: string, sample: Sample): void {
    const key = keyOf(workload, name);
    this.#samples.set(key, [...(this.#samples.get(key) ?? []), sample]);
  }

  #break(name: string, problem: string): void {
    if (this.#closing) return;
    this.broken = true;
    say(`  ${name}: ${problem}`);
  }

  #table(workload: Workload): string {
    const rows = [...this.#servers].flatMap(([name, server]): Row[] => {
      const key = keyOf(workload, name);
      if (!canDo(server, workload)) return [];
      return [{ name, samples: this.#problems.get(key) ?? this.#samples.get(key) ?? [] }];
    });
    return table(workload.name, rows, { bare: bare('prompt').name, own: postern('typical').name });
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#servers.values()].map(({ child }) => child.stop()));
    this.#sink.close();
    rmSync(this.#root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** The slowest peers are not waited for. */
const maxWarmUps = 5;

const keyOf = (workload: Workload, name: string): string => `${workload.name}\n${name}`;

function lastLines(log: string): string {
  try {
    return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
  } catch {
    return '';
  }
}

const bench = new Bench(optionsOf(process.argv.slice(2)));
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
