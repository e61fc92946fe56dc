/**
 * A server as a child process: started, watched until it greets, its CPU time and that of its children read, stopped.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, closeSync, readFileSync, readdirSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Command {
  readonly program: string;
  readonly words: readonly string[];
  /** stdout and stderr go here. */
  readonly log: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** User and group to run as. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

const startMs = 60_000;
const stopMs = 5_000;

export class Child {
  /** The text of its greeting. */
  greeting = '';
  readonly #process: ChildProcess;
  #gone: string | undefined;

  constructor({ program, words, log, cwd, env, user }: Command) {
    const output = openSync(log, 'a');
    this.#process = spawn(program, words, {
      stdio: ['ignore', output, output],
      env: { PATH: process.env['PATH'], ...env },
      ...(cwd !== undefined && { cwd }),
      ...user,
    });
    closeSync(output);
    this.#process.once('error', (error) => (this.#gone = error.message));
    this.#process.once('exit', (code, signal) => (this.#gone = `ended with ${signal ?? code}`));
  }

  /**
   * Resolves when the port greets whoever says `first`; rejects when the process ends before, or takes too long.
   */
  async listening(port: number, first = ''): Promise<this> {
    const latest = Date.now() + startMs;
    while (Date.now() < latest && this.#gone === undefined) {
      this.greeting = await greetingOf(port, first);
      if (this.greeting.startsWith('220')) return this;
      await delay(50);
    }
    await this.stop();
    throw new Error(this.#gone ?? `no greeting within ${startMs} ms`);
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  async stop(): Promise<void> {
    if (this.#gone !== undefined) return;
    const exited = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), stopMs);
    await exited;
    clearTimeout(timer);
  }
}

/** Seconds of the process and all its children, those included that have ended and were waited for. */
export const cpuSecondsOf = (root: number): number => treeOf(root).reduce((sum, { cpu }) => sum + cpu, 0);

/** Which of them has worked hardest. */
export const busiestOf = (root: number): number => treeOf(root).toSorted((a, b) => b.cpu - a.cpu)[0]?.pid ?? root;

/** The process and all below it. */
function treeOf(root: number): readonly ProcessStat[] {
  const all = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? statOf(name) : []));
  const tree = new Set([root]);
  for (let before = 0; before < tree.size;) {
    before = tree.size;
    for (const { pid, parent } of all) if (tree.has(parent)) tree.add(pid);
  }
  return all.filter(({ pid }) => tree.has(pid));
}

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** Seconds. */
  readonly cpu: number;
}

/** Linux counts CPU time in hundredths of a second there (USER_HZ). */
export const ticks = 100;

/** proc(5): the fields behind the name, which may hold anything; none when the process is gone. */
function statOf(pid: string): ProcessStat[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const cpu = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) / ticks;
    return [{ pid: Number(pid), parent: Number(fields[1]), cpu }];
  } catch {
    return [];
  }
}

function greetingOf(port: number, first: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    if (first !== '') socket.write(`${first}\r\n`);
    const settle = (text: string): void => {
      resolve(text);
      socket.destroy();
    };
    socket.setTimeout(2000, () => settle(''));
    socket.once('data', (octets) => settle(octets.toString('latin1').trim()));
    socket.once('error', () => settle(''));
    socket.once('close', () => settle(''));
  });
}
