/** `postern serve` as a process of its own, on a port of its own, with its folders in a temporary one. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inherited } from './environment.js';
import { shippedPlugins } from './shipped-plugins.js';

/** Compiled, this file is dist/test/support/child.js. */
const program = join(dirname(fileURLToPath(import.meta.url)), '../../src/main.js');

export interface ChildOptions {
  /** Markers below srv, as paths. */
  readonly markers?: readonly string[];
  /** Settings as `name=value`; they replace the usual ones of that name. */
  readonly settings?: readonly string[];
  readonly relayPort: number;
  /** The main.js that is run, where another postern than this one is meant. */
  readonly program?: string;
  /** Kept by the caller, for example over several starts; a temporary one where none is given. */
  readonly root?: string;
  /** File descriptors from 3 on. */
  readonly fds?: readonly number[];
  readonly env?: NodeJS.ProcessEnv;
  /** They were handed over as systemd does it. */
  readonly activated?: boolean;
}

export type LogLine = Readonly<Record<string, unknown>>;

const startMs = 60_000;

export class PosternProcess {
  readonly root: string;
  /** stdout and stderr, octets as latin1. */
  output = '';
  complaints = '';
  /** The exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
  readonly #child: ChildProcess;
  readonly #ownRoot: boolean;
  #over = false;

  private constructor(options: ChildOptions) {
    this.root = options.root ?? makeRoot(options.markers ?? []);
    this.#ownRoot = options.root === undefined;
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', ...(options.fds ?? [])];
    const words = [process.execPath, options.program ?? program, 'serve', ...flags(this.root, options)];
    const activation = `LISTEN_PID=$$ LISTEN_FDS=${options.fds?.length ?? 0} exec "$@"`;
    const [command = '', ...argv] = options.activated === true ? ['/bin/sh', '-c', activation, 'sh', ...words] : words;
    this.#child = spawn(command, argv, {
      stdio,
      env: { ...inherited(), ...options.env },
    });
    this.#child.stdout?.on('data', (octets: Buffer) => (this.output += octets.toString('latin1')));
    this.#child.stderr?.on('data', (octets: Buffer) => (this.complaints += octets.toString('latin1')));
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#over = true;
        resolve(code ?? signal ?? '');
      });
    });
  }

  /** Starts it and waits until all its processes listen. */
  static async start(options: ChildOptions): Promise<PosternProcess> {
    const child = new PosternProcess(options);
    const workers = Number(options.settings?.find((setting) => setting.startsWith('workers='))?.slice(8) ?? 1);
    try {
      await child.until(() => child.listening.length >= workers);
    } catch (error) {
      await child.close();
      throw error;
    }
    return child;
  }

  /** Starts it, whether it comes to serve or not. */
  static launch(options: ChildOptions): PosternProcess {
    return new PosternProcess(options);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Log lines, parsed. */
  get log(): LogLine[] {
    const whole = this.output.slice(0, this.output.lastIndexOf('\n') + 1);
    return whole
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(Buffer.from(line, 'latin1').toString('utf8')) as LogLine);
  }

  /** The lines that say that a process listens. */
  get listening(): LogLine[] {
    return this.log.filter(({ msg }) => msg === 'listening');
  }

  get port(): number {
    const [bound] = (this.listening[0]?.['listen'] ?? []) as readonly string[];
    return Number(bound?.split(':').at(-1));
  }

  /** The first worker, which reads what clients say. */
  get worker(): number {
    return Number(this.listening[0]?.['pid']);
  }

  /** Resident memory of the worker in octets, of its high-water mark where that is asked for. */
  memory(what: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
    const status = readFileSync(`/proc/${this.worker}/status`, 'utf8');
    return Number(new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
  }

  /** Waits for something that the process does; rejects with its output when it is over, or nothing comes of it. */
  async until(done: () => boolean, ms = startMs): Promise<void> {
    const end = Date.now() + ms;
    while (!done()) {
      if (this.#over || Date.now() > end) throw new Error(`postern: ${this.complaints}${this.output}`.slice(0, 4000));
      await sleep(10);
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#over) this.#child.kill(signal);
  }

  /** KILL to all of its processes at once. */
  async kill(): Promise<void> {
    if (this.#over) return;
    this.signal('SIGSTOP'); // it starts no child meanwhile
    for (const pid of [...childrenOf(this.pid), this.pid]) tryKill(pid);
    await this.exited;
  }

  /** TERM; the exit code, or KILL when it takes too long. */
  async stop(ms = 40_000): Promise<number | string> {
    this.signal('SIGTERM');
    const late = setTimeout(() => void this.kill(), ms);
    const code = await this.exited;
    clearTimeout(late);
    return code;
  }

  /** Ends it at once with its children, if it still runs, and takes its own folder away. */
  async close(): Promise<void> {
    await this.kill();
    if (this.#ownRoot) rmSync(this.root, { recursive: true, force: true });
  }
}

/** The processes that a process has started. */
export function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it is over already
  }
}

/** A temporary folder with these markers below srv, which other users may enter. */
export function makeRoot(markers: readonly string[]): string {
  const root = mkdtempSync(join(tmpdir(), 'postern-'));
  chmodSync(root, 0o755);
  mkdirSync(join(root, 'srv'));
  for (const marker of markers) {
    mkdirSync(dirname(join(root, 'srv', marker)), { recursive: true });
    writeFileSync(join(root, 'srv', marker), '');
  }
  writeFileSync(join(root, 'zone.json'), '{}');
  return root;
}

function flags(root: string, { settings = [], relayPort }: ChildOptions): string[] {
  const list = join(root, 'shipped-plugins');
  if (!existsSync(list)) writeFileSync(list, shippedPlugins());
  const usual = [
    'listen=127.0.0.1:0',
    `srv=${root}/srv`,
    `spam=${root}/spam`,
    `state=${root}/state`,
    `relay=127.0.0.1:${relayPort}`,
    `dns_zone=${root}/zone.json`,
    'hostname=mx.test.example',
    'log_format=json',
    `plugins=${list}`,
  ];
  const isOwn = (setting: string): boolean => settings.some((own) => own.split('=')[0] === setting.split('=')[0]);
  return [...usual.filter((setting) => !isOwn(setting)), ...settings].map((setting) => `--${setting}`);
}
