/**
 * Connections to a directory, opened when they are needed and kept for the next question. A kept one that turns out
 * to be dead is replaced at once, so that a restart of the server costs nobody an answer.
 */
import { LdapConnection, type ConnectionOptions } from './connection.js';
import { DirectoryProblem } from './problem.js';
import type { LdapServer } from './server-uri.js';

export interface LdapPoolOptions extends ConnectionOptions {
  /** Asked in this order. */
  readonly servers: readonly LdapServer[];
  readonly base: string;
  readonly connections: number;
  /** For one question: waiting, connecting and asking together. */
  readonly timeoutMs: number;
}

const maxWaiting = 1000;
const idleMs = 60_000;
/** A server that cannot be reached is left alone for so long: the questions of that time fail at once. */
const pauseMs = 1000;

export class LdapPool {
  readonly #options: LdapPoolOptions;
  readonly #idle = new Map<LdapConnection, NodeJS.Timeout>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #down: { readonly until: number; readonly problem: DirectoryProblem } | undefined;

  constructor(options: LdapPoolOptions) {
    this.#options = options;
  }

  /** Throws a `DirectoryProblem`. */
  async hasEntry(filter: string): Promise<boolean> {
    const deadline = AbortSignal.timeout(this.#options.timeoutMs);
    await this.#turn(deadline);
    try {
      return (await this.#byKept(filter, deadline)) ?? (await this.#byNew(filter, deadline));
    } finally {
      this.#busy--;
      this.#waiting.shift()?.();
    }
  }

  async #turn(deadline: AbortSignal): Promise<void> {
    if (this.#waiting.length >= maxWaiting) throw new DirectoryProblem('answer', 'too many questions are waiting');
    while (this.#busy >= this.#options.connections) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          deadline.removeEventListener('abort', late);
          resolve();
        };
        const late = (): void => {
          const at = this.#waiting.indexOf(wake);
          if (at >= 0) this.#waiting.splice(at, 1);
          resolve();
        };
        this.#waiting.push(wake);
        deadline.addEventListener('abort', late, { once: true });
      });
      if (deadline.aborted) {
        this.#waiting.shift()?.(); // the turn may have come in the same moment: it goes on
        throw new DirectoryProblem('answer', 'no connection was free in time');
      }
    }
    this.#busy++;
  }

  /** undefined where there is none, or it was dead. */
  async #byKept(filter: string, deadline: AbortSignal): Promise<boolean | undefined> {
    for (const [connection, timer] of [...this.#idle].reverse()) {
      clearTimeout(timer);
      this.#idle.delete(connection);
      if (!connection.isOpen) continue;
      connection.keepAlive(true);
      try {
        return await this.#ask(connection, filter, deadline);
      } catch (error) {
        const broke = (error as DirectoryProblem).part === 'server' && !deadline.aborted;
        if (!broke) throw error;
      }
    }
    return undefined;
  }

  async #byNew(filter: string, deadline: AbortSignal): Promise<boolean> {
    if (this.#down && performance.now() < this.#down.until) throw this.#down.problem;
    return this.#ask(await this.#open(deadline), filter, deadline);
  }

  async #open(deadline: AbortSignal): Promise<LdapConnection> {
    const { servers, timeoutMs } = this.#options;
    let problem = new DirectoryProblem('server', 'there is none');
    for (const server of servers) {
      const share = AbortSignal.any([deadline, AbortSignal.timeout(Math.ceil(timeoutMs / servers.length))]);
      try {
        const connection = await LdapConnection.open(server, this.#options, share);
        this.#down = undefined;
        return connection;
      } catch (error) {
        const { part, message } = error as DirectoryProblem;
        problem = new DirectoryProblem(part, `${server.text}: ${message}`);
      }
    }
    this.#down = { until: performance.now() + pauseMs, problem };
    throw problem;
  }

  async #ask(connection: LdapConnection, filter: string, deadline: AbortSignal): Promise<boolean> {
    try {
      return await connection.hasEntry(this.#options.base, filter, deadline);
    } finally {
      if (connection.isOpen) this.#keep(connection);
    }
  }

  #keep(connection: LdapConnection): void {
    connection.keepAlive(false);
    const timer = setTimeout(() => this.#drop(connection), idleMs).unref();
    this.#idle.set(connection, timer);
    connection.onClose(() => this.#drop(connection));
  }

  #drop(connection: LdapConnection): void {
    clearTimeout(this.#idle.get(connection));
    if (this.#idle.delete(connection)) connection.close();
  }

  close(): void {
    for (const connection of this.#idle.keys()) this.#drop(connection);
  }
}
