/** A real PostgreSQL server in a temporary folder, run by an ordinary user, with a password, on a port of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.js';

export const password = 'sécret: of@the/database';

/** Debian keeps each version's programs in a folder of its own; the newest counts. */
export function postgresBin(): string | undefined {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : [];
  const [newest] = versions.toSorted((a, b) => Number(b) - Number(a));
  const bin = newest === undefined ? '' : join('/usr/lib/postgresql', newest, 'bin');
  return existsSync(join(bin, 'initdb')) ? bin : undefined;
}

interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/** The server refuses to be run by root. */
function ordinaryUser(): Account {
  if (process.getuid?.() !== 0) return {};
  const [, , uid, gid] = spawnSync('getent', ['passwd', 'postgres'], { encoding: 'utf8' }).stdout.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

export class Postgres {
  readonly port: number;
  readonly folder: string;
  readonly #account: Account;
  #child: ChildProcess | undefined;

  private constructor(folder: string, port: number, account: Account) {
    this.folder = folder;
    this.port = port;
    this.#account = account;
  }

  static async start(): Promise<Postgres> {
    const account = ordinaryUser();
    const folder = mkdtempSync(join(tmpdir(), 'postern-pg-'));
    const server = new Postgres(folder, await freePort(), account);
    const pwfile = join(folder, 'password');
    writeFileSync(pwfile, password);
    chmodSync(pwfile, 0o644);
    if (account.uid !== undefined) chownSync(folder, account.uid, account.gid ?? 0);
    const made = spawnSync(
      join(postgresBin() ?? '', 'initdb'),
      [
        '-D',
        server.#data,
        '--no-sync',
        '-U',
        'postern',
        '-A',
        'scram-sha-256',
        `--pwfile=${pwfile}`,
        '-E',
        'UTF8',
        '--locale=C.UTF-8',
      ],
      { ...account, cwd: folder, encoding: 'utf8' },
    );
    if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
    await server.restart();
    return server;
  }

  /** The server's; those that work for it are its children. */
  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** A standby of its own that streams from that one. */
  static async replicaOf(primary: Postgres): Promise<Postgres> {
    const account = ordinaryUser();
    const folder = mkdtempSync(join(tmpdir(), 'postern-pg-replica-'));
    const server = new Postgres(folder, await freePort(), account);
    if (account.uid !== undefined) chownSync(folder, account.uid, account.gid ?? 0);
    const words = [
      '-D',
      server.#data,
      '-R',
      '-h',
      '127.0.0.1',
      '-p',
      String(primary.port),
      '-U',
      'postern',
      '-c',
      'fast',
    ];
    const made = spawnSync(join(postgresBin() ?? '', 'pg_basebackup'), [...words, '--no-sync'], {
      ...account,
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, PGPASSWORD: password },
    });
    if (made.status !== 0) throw new Error(`pg_basebackup: ${made.stderr}`);
    await server.restart();
    return server;
  }

  get #data(): string {
    return join(this.folder, 'data');
  }

  /** As the setting `catalog` takes it. */
  get url(): string {
    return this.urlAt(this.port);
  }

  urlAt(port: number, given: string = password): string {
    return `postgresql://postern:${encodeURIComponent(given)}@127.0.0.1:${port}/postgres`;
  }

  /** The same for another role, whose password is the same, and another database. */
  urlOf(user: string, database: string): string {
    return `postgresql://${user}:${encodeURIComponent(password)}@127.0.0.1:${this.port}/${database}`;
  }

  /** Starts it, again if it was killed; it takes connections when this resolves. */
  async restart(): Promise<void> {
    const ssl = existsSync(join(this.#data, 'server.key')) ? 'on' : 'off';
    const options = { listen_addresses: '127.0.0.1', port: this.port, unix_socket_directories: '', fsync: 'off', ssl };
    const words = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(join(postgresBin() ?? '', 'postgres'), ['-D', this.#data, ...words], {
      ...this.#account,
      cwd: this.folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (octets: Buffer) => (said = (said + octets.toString()).slice(-4_000)));
    this.#child = child;
    for (const until = Date.now() + 60_000; !this.#isReady(); await sleep(50))
      if (child.exitCode !== null || Date.now() > until) throw new Error(`PostgreSQL does not serve: ${said}`);
  }

  #isReady(): boolean {
    const words = ['-h', '127.0.0.1', '-p', String(this.port), '-t', '1'];
    return spawnSync(join(postgresBin() ?? '', 'pg_isready'), words).status === 0;
  }

  /** As by the kernel; `restart` recovers what was committed. */
  kill(): Promise<void> {
    // Immediate shutdown: its own processes go with it, which a killed one leaves behind for a moment.
    return this.#shutDown('SIGQUIT');
  }

  /** Everything is on the disk then. */
  stop(): Promise<void> {
    return this.#shutDown('SIGINT');
  }

  async #shutDown(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  /** From now on it has this certificate; it still takes connections without TLS. */
  async useTls({ cert, key }: { readonly cert: Buffer; readonly key: Buffer }): Promise<void> {
    await this.kill();
    for (const [name, octets] of [
      ['server.crt', cert],
      ['server.key', key],
    ] as const) {
      writeFileSync(join(this.#data, name), octets, { mode: 0o600 });
      this.#own(join(this.#data, name));
    }
    await this.restart();
  }

  /** Remembers how things are now, as a standby has them that will fall behind. */
  async leaveBehind(): Promise<void> {
    await this.kill();
    rmSync(this.#standby, { recursive: true, force: true });
    cpSync(this.#data, this.#standby, { recursive: true, preserveTimestamps: true });
    this.#own(this.#standby);
    await this.restart();
  }

  /** The server is gone, and the standby becomes the primary: what was acknowledged since is lost. */
  async failOver(): Promise<void> {
    await this.kill();
    rmSync(this.#data, { recursive: true, force: true });
    renameSync(this.#standby, this.#data);
    writeFileSync(join(this.#data, 'standby.signal'), '');
    this.#own(join(this.#data, 'standby.signal'));
    await this.restart();
    const promoted = spawnSync(join(postgresBin() ?? '', 'pg_ctl'), ['-D', this.#data, '-w', 'promote'], {
      ...this.#account,
      cwd: this.folder,
      encoding: 'utf8',
    });
    if (promoted.status !== 0) throw new Error(`promote: ${promoted.stdout}${promoted.stderr}`);
  }

  get #standby(): string {
    return join(this.folder, 'standby');
  }

  #own(place: string): void {
    const { uid, gid = 0 } = this.#account;
    if (uid !== undefined) spawnSync('chown', ['-R', `${uid}:${gid}`, place]);
    if (place === this.#standby) chmodSync(place, 0o700);
  }

  async end(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
