/**
 * systemd as the first process of a container, in which nothing runs but what a test starts: an overlay of this very
 * system, with our units, the account and the folders that they need, and this tree in /opt/postern. The container
 * shares this machine's network, and nothing that is written in it reaches the machine.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { childrenOf } from '../child.js';
import { shippedPlugins } from '../shipped-plugins.js';
import { until } from '../until.js';
import { linesOf, type Manager, settingsOf, type Units, watchdogSeconds } from './manager.js';

/** Compiled, this file is dist/test/support/systemd/container.js. */
const tree = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../..');
const shared = ['dist', 'node_modules', 'plugins', 'src', 'package.json'];

const run = promisify(execFile);

function must(program: string, ...words: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: ${error?.message ?? stderr}`);
}

export class Container implements Manager {
  readonly #folder: string;
  /** Its `/`, seen from here. */
  readonly #root: string;
  readonly #nspawn: ChildProcess;
  #output = '';

  private constructor(folder: string) {
    this.#folder = folder;
    this.#root = path.join(folder, 'root');
    const binds = [
      ...shared.map((name) => `--bind-ro=${path.join(tree, name)}:/opt/postern/${name}`),
      `--bind-ro=${process.execPath}:/opt/node`,
    ];
    const words = ['-D', this.#root, '-b', '--register=no', '--keep-unit', '--resolv-conf=off', '--console=pipe'];
    this.#nspawn = spawn('systemd-nspawn', [...words, ...binds], { stdio: ['ignore', 'pipe', 'pipe'] });
    const note = (octets: Buffer): void => void (this.#output += octets.toString());
    this.#nspawn.stdout?.on('data', note);
    this.#nspawn.stderr?.on('data', note);
  }

  /** Undefined where this machine lets nobody mount an overlay or start a container. */
  static async boot(units: Units, install: Installing = furnish): Promise<Container | undefined> {
    const folder = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'postern-systemd-'));
    const [root, upper, work] = ['root', 'upper', 'work'].map((name) => path.join(folder, name));
    for (const name of [root, upper, work]) fs.mkdirSync(name ?? '');
    const overlay = `lowerdir=/,upperdir=${upper},workdir=${work}`;
    if (spawnSync('mount', ['-t', 'overlay', 'postern-test', '-o', overlay, root ?? '']).status !== 0) {
      fs.rmSync(folder, { recursive: true, force: true });
      return undefined;
    }
    let container: Container | undefined;
    try {
      install(root ?? '', units);
      container = new Container(folder);
      if (await container.#isUp()) return container;
    } catch (error) {
      await remove(folder, container);
      throw error;
    }
    await remove(folder, container);
    return undefined;
  }

  async start(kind: 'socket' | 'service'): Promise<void> {
    await this.#systemctl('start', ...(kind === 'socket' ? ['postern.socket'] : []), 'postern.service');
  }

  async stop(): Promise<void> {
    await this.#systemctl('stop', 'postern.socket', 'postern.service');
  }

  async restart(): Promise<void> {
    await this.#systemctl('restart', 'postern.service');
  }

  async reload(): Promise<void> {
    await this.#systemctl('reload', 'postern.service');
  }

  async freeze(): Promise<void> {
    await this.#systemctl('kill', '--kill-whom=main', '--signal=STOP', 'postern.service');
  }

  async mainPid(): Promise<number> {
    const shown = await this.#systemctl('show', '--property=MainPID,ActiveState', 'postern.service');
    return shown.includes('ActiveState=active\n') ? Number(/^MainPID=(\d+)$/m.exec(shown)?.[1]) : 0;
  }

  log(): ReturnType<Manager['log']> {
    const file = path.join(this.#root, 'var/lib/postern/log/log');
    return fs.existsSync(file) ? linesOf(fs.readFileSync(file, 'utf8')) : [];
  }

  async close(): Promise<void> {
    await remove(this.#folder, this);
  }

  get #leader(): number | undefined {
    return childrenOf(this.#nspawn.pid ?? 0)[0];
  }

  /** Waits until its systemd answers; false where there is none. */
  async #isUp(): Promise<boolean> {
    let isUp = false;
    const isOver = (): boolean => this.#nspawn.exitCode !== null || this.#nspawn.signalCode !== null;
    const look = async (): Promise<void> => {
      while (!isUp && !isOver()) {
        isUp = await this.#systemctl('show', '--property=SystemState').then(
          (shown) => /SystemState=(?:running|degraded)/.test(shown),
          () => false,
        );
      }
    };
    void look();
    await until(() => isUp || isOver(), `a container: ${this.#output}`);
    return isUp;
  }

  #systemctl(...words: readonly string[]): Promise<string> {
    return this.run('systemctl', ...words);
  }

  /** Runs a program in it; rejects where that fails. */
  async run(...words: readonly string[]): Promise<string> {
    const inside = ['--target', String(this.#leader), '--mount', '--pid', '--uts', '--ipc', ...words];
    const { stdout } = await run('nsenter', inside, { env: { PATH: process.env['PATH'] ?? '' } });
    return stdout;
  }

  /** A file of it, as this machine finds it. */
  path(name: string): string {
    return path.join(this.#root, name);
  }

  /** Ends all that runs in it. */
  async end(): Promise<void> {
    if (this.#nspawn.exitCode !== null || this.#nspawn.signalCode !== null) return;
    const ended = once(this.#nspawn, 'exit');
    const leader = this.#leader;
    if (leader === undefined) this.#nspawn.kill('SIGKILL');
    else process.kill(leader, 'SIGKILL');
    await ended;
  }
}

async function remove(folder: string, container: Container | undefined): Promise<void> {
  await container?.end();
  must('umount', '--lazy', path.join(folder, 'root'));
  fs.rmSync(folder, { recursive: true, force: true });
}

/** Puts units, account, folders and settings into its file system, which is at `root`. */
export type Installing = (root: string, units: Units) => void;

const furnish: Installing = (root, units) => {
  const packaging = path.join(tree, 'packaging');
  const system = '/etc/systemd/system';
  const write = (name: string, text: string, mode = 0o644): void => {
    const file = path.join(root, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text, { mode });
  };
  for (const unit of ['postern.service', 'postern.socket'])
    write(`${system}/${unit}`, fs.readFileSync(path.join(packaging, unit), 'utf8'));
  write(`${system}/postern-test.target`, '[Unit]\nDescription=nothing but what a test starts\n');
  fs.rmSync(path.join(root, system, 'default.target'), { force: true });
  fs.symlinkSync('postern-test.target', path.join(root, system, 'default.target'));
  write(`${system}/postern.service.d/test.conf`, `[Service]\nWatchdogSec=${watchdogSeconds}\n`);
  const { socketPort } = units;
  write(`${system}/postern.socket.d/test.conf`, `[Socket]\nListenStream=\nListenStream=127.0.0.1:${socketPort}\n`);
  write('/usr/local/bin/postern', `#!/bin/sh\nexec /opt/node /opt/postern/dist/src/main.js "$@"\n`, 0o755);
  for (const name of shared) {
    const isFile = fs.statSync(path.join(tree, name)).isFile();
    if (isFile) write(`/opt/postern/${name}`, '');
    else fs.mkdirSync(path.join(root, 'opt/postern', name), { recursive: true });
  }
  must('systemd-sysusers', `--root=${root}`, path.join(packaging, 'sysusers.d/postern.conf'));
  must('systemd-tmpfiles', `--root=${root}`, '--create', path.join(packaging, 'tmpfiles.d/postern.conf'));
  write('/etc/postern.conf', settingsOf(units, '/var/lib/postern'));
  write('/var/lib/postern/plugins', shippedPlugins());
  write('/var/lib/postern/srv/example.com/users/valid/alice', '');
  fs.mkdirSync(path.join(root, 'var/lib/postern/log'), { mode: 0o777 });
  fs.chmodSync(path.join(root, 'var/lib/postern/log'), 0o777);
};
