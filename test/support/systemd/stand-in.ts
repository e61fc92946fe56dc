/**
 * What systemd does with postern.service and postern.socket, for machines that let nobody start a container: it hands
 * over a socket, believes who says to be the main process, stops, kills, reloads and starts again as the unit has it,
 * and hears the watchdog. What a unit says beside that has no effect here.
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { openPort, type Port } from '../../../src/cli/service/ports.js';
import { inherited } from '../environment.js';
import { shippedPlugins } from '../shipped-plugins.js';
import { until } from '../until.js';
import { linesOf, type Manager, settingsOf, type Units, watchdogSeconds } from './manager.js';

const tree = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../..');
const unit = fs.readFileSync(path.join(tree, 'packaging/postern.service'), 'utf8');

const valueOf = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

export class StandIn implements Manager {
  readonly #folder: string;
  readonly #units: Units;
  readonly #watch: NodeJS.Timeout;
  #socket: Port | undefined;
  /** The first process that was started; all that it starts are in its session. */
  #session = 0;
  #main = 0;
  #isReady = false;
  #isWanted = false;
  #heardAt = 0;
  #heard = 0;

  constructor(units: Units) {
    this.#units = units;
    this.#folder = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-systemd-'));
    for (const name of ['bin', 'log', 'state', 'spam', 'srv/example.com/users/valid'])
      fs.mkdirSync(path.join(this.#folder, name), { recursive: true });
    fs.writeFileSync(path.join(this.#folder, 'srv/example.com/users/valid/alice'), '');
    fs.writeFileSync(path.join(this.#folder, 'plugins'), shippedPlugins());
    const own = `state = ${this.#folder}/state\nspam = ${this.#folder}/spam\n`;
    fs.writeFileSync(path.join(this.#folder, 'postern.conf'), settingsOf(units, this.#folder) + own);
    fs.writeFileSync(path.join(this.#folder, 'told'), '');
    const notify = `#!/bin/sh\necho "$@" >>${this.#folder}/told\n`;
    fs.writeFileSync(path.join(this.#folder, 'bin/systemd-notify'), notify, { mode: 0o755 });
    this.#watch = setInterval(() => this.#look(), 20);
  }

  async start(kind: 'socket' | 'service'): Promise<void> {
    if (kind === 'socket') {
      this.#socket = await openPort({ host: '127.0.0.1', port: this.#units.socketPort });
      // Node has no listen(2) that accepts nothing.
      spawnSync('perl', ['-e', 'open(my $s, "+<&=", 3); listen($s, 1024) or exit 1'], {
        stdio: ['ignore', 'ignore', 'ignore', this.#socket.fd],
      });
    }
    this.#isWanted = true;
    this.#spawn();
    await this.#ready();
  }

  async stop(): Promise<void> {
    this.#isWanted = false;
    await this.#end();
    this.#socket?.close();
    this.#socket = undefined;
  }

  async restart(): Promise<void> {
    this.#isWanted = false;
    await this.#end();
    this.#isWanted = true;
    this.#spawn();
    await this.#ready();
  }

  async reload(): Promise<void> {
    spawnSync('/bin/sh', ['-c', valueOf('ExecReload')], { env: { ...process.env, MAINPID: String(this.#main) } });
  }

  async freeze(): Promise<void> {
    process.kill(this.#main, 'SIGSTOP');
  }

  async mainPid(): Promise<number> {
    return this.#isReady ? this.#main : 0;
  }

  log(): ReturnType<Manager['log']> {
    const file = path.join(this.#folder, 'log/log');
    return fs.existsSync(file) ? linesOf(fs.readFileSync(file, 'utf8')) : [];
  }

  async close(): Promise<void> {
    this.#isWanted = false;
    clearInterval(this.#watch);
    this.#killAll();
    this.#socket?.close();
    await sleep(100);
    fs.rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  #spawn(): void {
    const [, words = ''] = /^\/usr\/bin\/env postern (.*)$/.exec(valueOf('ExecStart')) ?? [];
    const program = [process.execPath, path.join(tree, 'dist/src/main.js'), ...words.split(' ')];
    const fds = this.#socket === undefined ? [] : [this.#socket.fd];
    const activation = fds.length > 0 ? `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"` : 'exec "$@"';
    this.#isReady = false;
    const child = spawn('/bin/sh', ['-c', activation, 'sh', ...program, '-c', `${this.#folder}/postern.conf`], {
      stdio: ['ignore', 'ignore', 'ignore', ...fds],
      detached: true,
      env: {
        ...inherited(),
        PATH: `${this.#folder}/bin:${process.env['PATH'] ?? ''}`,
        NOTIFY_SOCKET: `${this.#folder}/notify`,
        WATCHDOG_USEC: String(watchdogSeconds * 1e6),
      },
    });
    this.#session = child.pid ?? 0;
    this.#main = this.#session;
  }

  async #ready(): Promise<void> {
    await until(() => this.#isReady, 'READY=1');
  }

  /** Hears what it is told, and acts on what has become of the main process. */
  #look(): void {
    const told = fs.readFileSync(path.join(this.#folder, 'told'), 'utf8');
    const end = told.lastIndexOf('\n') + 1;
    for (const line of told.slice(this.#heard, end).split('\n')) this.#hear(line);
    this.#heard = end;
    if (!this.#isWanted || this.#main === 0) return;
    if (!isRunning(this.#main)) {
      this.#killAll(); // as KillMode=mixed has it once the main process is gone
      this.#spawn();
    } else if (this.#isReady && performance.now() - this.#heardAt > watchdogSeconds * 1000) {
      this.#isReady = false;
      tell(this.#main, 'SIGABRT');
      tell(this.#main, 'SIGCONT');
    }
  }

  #hear(line: string): void {
    const [, pid, state] = /^(?:--pid=(\d+) )?(\w+=1)$/.exec(line) ?? [];
    if (state === undefined) return;
    // NotifyAccess=all: whoever says that it is the main process is believed.
    if (pid !== undefined && isRunning(Number(pid))) this.#main = Number(pid);
    this.#heardAt = performance.now();
    if (state === 'READY=1') this.#isReady = true;
  }

  async #end(): Promise<void> {
    const isMixed = valueOf('KillMode') === 'mixed';
    for (const pid of isMixed ? [this.#main] : membersOf(this.#session)) tell(pid, 'SIGTERM');
    await until(() => !isRunning(this.#main), 'the end of the main process');
    this.#killAll();
    await until(() => membersOf(this.#session).length === 0, 'the end of all processes');
    this.#main = 0;
  }

  #killAll(): void {
    for (const pid of membersOf(this.#session)) tell(pid, 'SIGKILL');
  }
}

function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it is over already
  }
}

interface Stat {
  readonly state: string;
  readonly session: number;
}

/** proc(5): state and session stand behind the name, which may hold anything. */
function statOf(pid: number | string): Stat | undefined {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state = '', , , session] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state, session: Number(session) };
  } catch {
    return undefined;
  }
}

const isRunning = (pid: number): boolean => !['Z', 'X', undefined].includes(statOf(pid)?.state);

const membersOf = (session: number): readonly number[] =>
  fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && statOf(name)?.session === session && isRunning(Number(name)))
    .map(Number);
