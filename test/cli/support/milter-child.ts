/** `postern milter` as a process of its own, its files in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { until } from '../../support/until.js';

/** Compiled, this file is dist/test/cli/support/milter-child.js. */
const program = join(dirname(fileURLToPath(import.meta.url)), '../../../src/main.js');

const zone = {
  'pass.test': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
  'fail.test': { TXT: ['v=spf1 -all'] },
};

const waitMs = 60_000;

export class MilterFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'postern-milter-'));
  readonly socket = join(this.path, 'socket');
  readonly file = join(this.path, 'spf-milter.conf');

  constructor(text = '') {
    writeFileSync(join(this.path, 'zone.json'), JSON.stringify(zone));
    this.configure(text);
  }

  configure(text: string, socket = `unix:${this.socket}`): void {
    const lines = [
      `socket = ${socket}`,
      'log_destination = stderr',
      `dns_zone = ${join(this.path, 'zone.json')}`,
      text,
    ];
    writeFileSync(this.file, `${lines.join('\n')}\n`);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export class MilterChild {
  stdout = '';
  stderr = '';
  /** The exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
  readonly #child: ChildProcess;
  #over = false;

  constructor(argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(process.execPath, [program, 'milter', ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#child.stdout?.on('data', (octets: Buffer) => (this.stdout += octets.toString()));
    this.#child.stderr?.on('data', (octets: Buffer) => (this.stderr += octets.toString()));
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#over = true;
        resolve(code ?? signal ?? '');
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Waits for a line of the log. */
  async line(pattern: RegExp): Promise<void> {
    for (const late = Date.now() + waitMs; !pattern.test(this.stderr);) {
      if (this.#over || Date.now() > late) throw new Error(`no ${String(pattern)} in:\n${this.stderr}`);
      await sleep(10);
    }
  }

  /** Waits for a line on standard output. */
  async out(pattern: RegExp): Promise<void> {
    for (const end = Date.now() + waitMs; !pattern.test(this.stdout); await sleep(10))
      if (this.#over || Date.now() > end) throw new Error(`no ${String(pattern)}: ${this.stdout}${this.stderr}`);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<number | string> {
    if (!this.#over) this.kill('SIGTERM');
    const late = setTimeout(() => this.kill('SIGKILL'), waitMs);
    const code = await this.exited;
    clearTimeout(late);
    return code;
  }
}

/** One that serves. */
export async function startMilter(folder: MilterFolder, argv: readonly string[] = []): Promise<MilterChild> {
  const child = new MilterChild(['-c', folder.file, ...argv]);
  await child.line(/ starting /);
  await until(() => existsSync(folder.socket));
  return child;
}
