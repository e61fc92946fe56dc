/**
 * For an MTA whose paths and users are compiled in: what Debian packages, unpacked (.ci/run), in a mount namespace
 * where /etc, /var, /run and the package's programs are its own. It cannot be installed beside Postfix, and nothing
 * of the system it runs on is changed. What each MTA is told is its own file's business.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { filesBelow } from './files-below.js';
import { freePort } from './free-port.js';
import { greets } from './postfix.js';
import { ended } from './daemon.js';

/** Where .ci/run unpacks the packages. */
export const unpacked = (name: string): string => join('/usr/local/lib/postern-peers', name);

export interface Delivered {
  /** The user's name. */
  readonly mailbox: string;
  /** Octets as latin1, lines ending in LF. */
  readonly text: string;
}

/** A running MTA that is nobody else's. */
export interface LocalMta {
  readonly port: number;
  /** What is in the mailboxes, in any order. */
  readonly delivered: readonly Delivered[];
  readonly log: string;
  close(): Promise<void>;
}

export interface OwnSystemOptions {
  /** The folder that has the packages' usr. */
  readonly programs: string;
  /** Users that the MTA runs as. */
  readonly services: readonly string[];
  /** Users with a mailbox. */
  readonly people: readonly string[];
}

export const hostname = 'local-mta.test';

const startMs = 30_000;
/** Numbers that no system has given away by itself. */
const firstId = 61_100;

export class OwnSystem {
  readonly #folder = mkdtempSync(join(tmpdir(), 'postern-own-system-'));
  readonly #programs: string;
  readonly #users: readonly string[];
  #daemon: ChildProcess | undefined;
  #output = '';

  constructor(given: OwnSystemOptions) {
    this.#programs = given.programs;
    chmodSync(this.#folder, 0o755);
    for (const name of ['etc', 'run', 'var/lib', 'var/log', 'var/spool']) this.folder(`/${name}`);
    symlinkSync('/run', this.outside('/var/run'));
    const users = [...given.services, ...given.people];
    this.#users = users;
    const id = (user: string): number => firstId + users.indexOf(user);
    const password = (user: string): string => `${user}:x:${id(user)}:${id(user)}::/var/home/${user}:/bin/sh\n`;
    this.write('/etc/passwd', users.map(password).join('') + readFileSync('/etc/passwd', 'utf8'));
    const group = (user: string): string => `${user}:x:${id(user)}:\n`;
    this.write('/etc/group', users.map(group).join('') + readFileSync('/etc/group', 'utf8'));
    for (const user of given.people) this.give(`/var/home/${user}`, user);
    this.write('/etc/hosts', `127.0.0.1 localhost ${hostname}\n`);
    this.write('/etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files\n');
    this.write('/etc/resolv.conf', 'nameserver 127.0.0.1\n');
    this.write('/etc/mailname', `${hostname}\n`);
    this.write('/etc/aliases', '');
    for (const path of ['/etc/ld.so.cache', '/etc/services']) this.write(path, readFileSync(path));
  }

  /** Where a path of its own is to us. */
  outside(path: string): string {
    return join(this.#folder, path);
  }

  /** Makes a folder of its own below /etc, /run or /var. */
  folder(path: string): string {
    mkdirSync(this.outside(path), { recursive: true });
    return this.outside(path);
  }

  /** Makes a folder that is a user's. */
  give(path: string, user: string): void {
    const id = firstId + this.#users.indexOf(user);
    chownSync(this.folder(path), id, id);
  }

  write(path: string, text: string | Buffer, mode = 0o644): void {
    this.folder(dirname(path));
    writeFileSync(this.outside(path), text, { mode });
  }

  /** A file's text, '' where there is none. */
  read(path: string): string {
    return existsSync(this.outside(path)) ? readFileSync(this.outside(path), 'latin1') : '';
  }

  /** Runs a program of the package, or of the system, to its end. */
  run(program: string, ...words: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync('unshare', this.#within([program, ...words]), { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${program}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Starts the daemon, which must stay in the foreground, and waits for its greeting. */
  async up(port: number, program: string, ...words: readonly string[]): Promise<void> {
    const command = this.#within([program, ...words]);
    const daemon = spawn('unshare', command, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    for (const stream of [daemon.stdout, daemon.stderr])
      stream.on('data', (octets: Buffer) => (this.#output += octets.toString('latin1')));
    this.#daemon = daemon;
    const end = Date.now() + startMs;
    while (!(await greets(port))) {
      if (Date.now() > end || daemon.exitCode !== null) throw new Error(`${program} did not start: ${this.#output}`);
      await sleep(50);
    }
  }

  #within(command: readonly string[]): string[] {
    const ownFolders = ['/usr/sbin', '/usr/libexec'].filter((path) => existsSync(join(this.#programs, path)));
    const mounts = [
      ...ownFolders.map((path) => [join(this.#programs, path), path]),
      ...['/etc', '/run', '/var'].map((path) => [this.outside(path), path]),
    ];
    const binds = mounts.map(([from, to]) => `mount --bind '${from}' ${to}`);
    return ['-u', '-m', 'sh', '-c', ['hostname "$0"', ...binds, 'exec "$@"'].join(' && '), hostname, ...command];
  }

  /** What the daemon wrote to the console. */
  get output(): string {
    return this.#output;
  }

  /** What is in the maildirs. */
  get delivered(): Delivered[] {
    const homes = this.outside('/var/home');
    return filesBelow(homes)
      .filter((path) => path.includes('/new/'))
      .map((path) => ({
        mailbox: path.slice(homes.length + 1).replace(/\/.*$/, ''),
        text: readFileSync(path, 'latin1'),
      }));
  }

  async close(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon) await ended(daemon);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Starts an MTA: `begin` writes its configuration for the port, and ends with `up`. */
export async function startLocalMta(
  options: OwnSystemOptions,
  begin: (system: OwnSystem, port: number) => Promise<void>,
  logOf: (system: OwnSystem) => string,
): Promise<LocalMta> {
  const system = new OwnSystem(options);
  try {
    const port = await freePort();
    await begin(system, port);
    return {
      port,
      get delivered() {
        return system.delivered;
      },
      get log() {
        return logOf(system);
      },
      close: () => system.close(),
    };
  } catch (error) {
    await system.close();
    throw error;
  }
}
