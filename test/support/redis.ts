/** Real Redis (or Valkey) servers on ports of their own that keep nothing: one, one that sentinels watch, a cluster. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisAddress, readRedisAddress } from '../../src/store/redis-address.js';
import { freePort } from './free-port.js';
import { patience } from './until.js';

export const redisPassword = 'secret';

export function addressOf(url: string): RedisAddress {
  const read = readRedisAddress(url);
  assert.ok(read.ok, read.ok ? '' : read.problem);
  return read.value;
}

export class RedisServer {
  readonly port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'postern-redis-'));
  readonly #words: readonly string[];
  readonly #program: string;
  #child: ChildProcess;

  private constructor(program: string, port: number, words: readonly string[]) {
    this.#program = program;
    this.port = port;
    this.#words = words;
    this.#child = this.#spawn();
  }

  /** Words are more of its command line. */
  static async start(program = 'redis-server', words: readonly string[] = []): Promise<RedisServer> {
    const server = new RedisServer(program, await freePort(), words);
    await server.#ready();
    return server;
  }

  get url(): string {
    return `redis://:${redisPassword}@127.0.0.1:${this.port}/3`;
  }

  #spawn(): ChildProcess {
    const flags = {
      port: this.port,
      bind: '127.0.0.1',
      save: '',
      appendonly: 'no',
      requirepass: redisPassword,
      masterauth: redisPassword,
      dir: this.#folder,
    };
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
    return spawn(this.#program, [...args, ...this.#words], { stdio: ['ignore', 'pipe', 'ignore'] });
  }

  async #ready(): Promise<void> {
    for await (const chunk of this.#child.stdout ?? []) if (/ready to accept/i.test(String(chunk))) break;
    this.#child.stdout?.resume();
  }

  /** Keeps its port: `restart` comes back with nothing in it. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  async restart(): Promise<void> {
    this.#child = this.#spawn();
    await this.#ready();
  }

  /** It is gone for good. */
  async end(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** It is there, and says nothing. */
  hang(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** What redis-cli says. */
  say(...words: readonly string[]): string {
    return cli(this.port, redisPassword, words);
  }
}

/** A master, a replica, and three sentinels that have a password of their own. */
export class WatchedRedis {
  static readonly #sentinelPassword = 'sentinels: own';
  readonly #folder = mkdtempSync(join(tmpdir(), 'postern-sentinels-'));
  readonly #sentinels: ChildProcess[] = [];
  readonly #ports: number[] = [];
  readonly servers: readonly [RedisServer, RedisServer];

  private constructor(servers: readonly [RedisServer, RedisServer]) {
    this.servers = servers;
  }

  static async start(): Promise<WatchedRedis> {
    const first = await RedisServer.start();
    const second = await RedisServer.start('redis-server', ['--replicaof', `127.0.0.1 ${first.port}`]);
    const watched = new WatchedRedis([first, second]);
    writeFileSync(join(watched.#folder, 'password'), `${WatchedRedis.#sentinelPassword}\n`);
    for (let i = 0; i < 3; i++) await watched.#addSentinel(first.port);
    await watched.#settled();
    return watched;
  }

  get url(): string {
    const nodes = this.#ports.map((port) => `127.0.0.1:${port}`).join(',');
    const query = `sentinel_password_file=${join(this.#folder, 'password')}`;
    return `redis+sentinel://:${redisPassword}@${nodes}/greylist/3?${query}`;
  }

  async #addSentinel(master: number): Promise<void> {
    const port = await freePort();
    const file = join(this.#folder, `${port}.conf`);
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${this.#folder}`,
      `requirepass "${WatchedRedis.#sentinelPassword}"`,
      `sentinel sentinel-pass "${WatchedRedis.#sentinelPassword}"`,
      `sentinel monitor greylist 127.0.0.1 ${master} 2`,
      `sentinel auth-pass greylist ${redisPassword}`,
      'sentinel down-after-milliseconds greylist 2000',
      'sentinel failover-timeout greylist 5000',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    this.#ports.push(port);
    this.#sentinels.push(spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' }));
  }

  /** All of them know each other and the replica, which has what the master has. */
  #settled(): Promise<void> {
    return eventually('the sentinels know each other', () =>
      this.#ports.every((port) => {
        const said = this.#ask(port, 'SENTINEL', 'MASTER', 'greylist');
        return /num-slaves\n1\nnum-other-sentinels\n2\n/.test(said);
      }),
    );
  }

  #ask(port: number, ...words: readonly string[]): string {
    return cli(port, WatchedRedis.#sentinelPassword, words);
  }

  get master(): RedisServer {
    const port = Number(
      this.#ask(this.#ports[0] ?? 0, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'greylist').split('\n')[1],
    );
    return this.servers.find((server) => server.port === port) ?? assert.fail(`no server at port ${port}`);
  }

  /** The first sentinel dies. */
  loseSentinel(): void {
    this.#sentinels[0]?.kill('SIGKILL');
    this.#ports.push(this.#ports.shift() ?? 0);
  }

  async end(): Promise<void> {
    for (const sentinel of this.#sentinels) sentinel.kill('SIGKILL');
    await Promise.all(this.servers.map((server) => server.end()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Three masters that have the slots between them, and a replica of the first. */
export class RedisCluster {
  readonly servers: readonly RedisServer[];

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers;
  }

  static async start(): Promise<RedisCluster> {
    const words = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'];
    const servers = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const bus = ['--cluster-port', String(await freePort())];
        return RedisServer.start('redis-server', [...words, ...bus]);
      }),
    );
    const [first, second, third, replica] = servers as [RedisServer, RedisServer, RedisServer, RedisServer];
    first.say('CLUSTER', 'ADDSLOTSRANGE', '0', '5460');
    second.say('CLUSTER', 'ADDSLOTSRANGE', '5461', '10922');
    third.say('CLUSTER', 'ADDSLOTSRANGE', '10923', '16383');
    for (const [i, server] of servers.entries()) server.say('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
    for (const server of servers.slice(1)) {
      const bus = /cport=(\d+)|@(\d+)/.exec(first.say('CLUSTER', 'NODES'));
      server.say('CLUSTER', 'MEET', '127.0.0.1', String(first.port), bus?.[2] ?? '');
    }
    const cluster = new RedisCluster(servers);
    const id = first.say('CLUSTER', 'MYID').trim();
    await eventually('the nodes know each other', () =>
      servers.every((server) => server.say('CLUSTER', 'NODES').trim().split('\n').length === 4),
    );
    replica.say('CLUSTER', 'REPLICATE', id);
    await eventually('the cluster is whole', () =>
      servers.every((server) => {
        const [info, nodes] = [server.say('CLUSTER', 'INFO'), server.say('CLUSTER', 'NODES')];
        return info.includes('cluster_state:ok') && nodes.includes(`slave ${id}`);
      }),
    );
    await eventually('the replica has what its master has', () =>
      replica.say('INFO', 'replication').includes('master_link_status:up'),
    );
    return cluster;
  }

  get url(): string {
    return `redis+cluster://:${redisPassword}@${this.servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  async end(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.end()));
  }
}

function cli(port: number, password: string, words: readonly string[]): string {
  const flags = ['-h', '127.0.0.1', '-p', String(port), '--no-auth-warning', '-a', password];
  return spawnSync('redis-cli', [...flags, ...words], { encoding: 'utf8' }).stdout;
}

async function eventually(what: string, isSo: () => boolean): Promise<void> {
  for (const late = Date.now() + patience; !isSo(); await sleep(100))
    if (Date.now() > late) throw new Error(`not within ${patience} ms: ${what}`);
}
