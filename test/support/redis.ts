/** A real Redis (or Valkey) server on a port of its own that keeps nothing. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from './free-port.js';

export class RedisServer {
  readonly port: number;
  readonly #program: string;
  #child: ChildProcess;

  private constructor(program: string, port: number) {
    this.#program = program;
    this.port = port;
    this.#child = this.#spawn();
  }

  static async start(program = 'redis-server'): Promise<RedisServer> {
    const server = new RedisServer(program, await freePort());
    await server.#ready();
    return server;
  }

  get url(): string {
    return `redis://:secret@127.0.0.1:${this.port}/3`;
  }

  #spawn(): ChildProcess {
    const flags = {
      port: this.port,
      bind: '127.0.0.1',
      save: '',
      appendonly: 'no',
      requirepass: 'secret',
      dir: '/tmp',
    };
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
    return spawn(this.#program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
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

  /** It is there, and says nothing. */
  hang(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }
}
