/**
 * The connections to one MTA behind: at most so many at once, first come first served, and kept open for a moment for
 * the next mail (Postfix' own client caches connections on demand, for 2 s, too). Once no client is there, only the one
 * that was used last is: sessions cost Exim and OpenSMTPD a process, and opening one costs a mail twice its time. What
 * is said on them is transaction.ts.
 */
import type { MailDeadline } from './deadline.js';
import { ConnectionLost, type MtaConnection } from './connection/mta-connection.js';
import { openConnection, type OpeningOptions } from './connection/opening.js';

export interface MtaPoolOptions extends OpeningOptions {
  readonly connections: number;
  /**
   * How long an unused connection is kept: shorter than the MTA's own patience (Postfix: smtpd_timeout, 10 s under
   * stress).
   */
  readonly idleMs: number;
  /** A connection is ended after so many: MTAs limit the mails of a session. */
  readonly mailsPerConnection: number;
}

interface IdleConnection {
  readonly connection: MtaConnection;
  /** When it is ended, in milliseconds of `performance.now()`. */
  until: number;
}

/** No connection became free in time, which says nothing of the MTA. */
export class AllBusy extends ConnectionLost {}

const resetMs = 5_000;

/** The next client of a queue that is being emptied comes sooner than that. */
const restMs = 10;

export class MtaPool {
  readonly #options: MtaPoolOptions;
  /** In the order in which they are ended. */
  readonly #idle: IdleConnection[] = [];
  /** For the first of them. */
  #timer: NodeJS.Timeout | undefined;
  readonly #waiting: (() => void)[] = [];
  #inUse = 0;
  readonly #leaving = new Set<Promise<void>>();
  #emptied: () => void = () => undefined;

  constructor(options: MtaPoolOptions) {
    this.#options = options;
  }

  /**
   * Takes the right to use one connection, which `release` gives back: at once (undefined), or when the promise
   * resolves; it rejects with AllBusy when time is over.
   */
  place(deadline: MailDeadline): Promise<void> | undefined {
    if (this.#inUse < this.#options.connections) {
      this.#inUse++;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      const close = (problem: string): void => {
        removeFrom(this.#waiting, resolve);
        reject(new AllBusy(`all ${this.#options.connections} connections are busy: ${problem}`));
      };
      deadline.watch({ close });
    });
  }

  /** The connection that was used last, if there is an open one. */
  kept(deadline: MailDeadline): MtaConnection | undefined {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      const { connection } = idle;
      if (!connection.alive) continue;
      deadline.watch(connection);
      return connection;
    }
    return undefined;
  }

  /** A new connection, behind its EHLO, in at most so long; rejects with ConnectionLost. */
  fresh(deadline: MailDeadline, maxMs = this.#options.timeoutMs): Promise<MtaConnection> {
    const options = maxMs < this.#options.timeoutMs ? { ...this.#options, timeoutMs: maxMs } : this.#options;
    return openConnection(options, (connection) => deadline.watch(connection));
  }

  /** Connections that are promised or in use. */
  get inUse(): number {
    return this.#inUse;
  }

  /** Nothing is in use, kept, or ending. */
  get isEmpty(): boolean {
    return this.#inUse === 0 && this.#idle.length === 0 && this.#leaving.size === 0;
  }

  /**
   * Gives the place back; a connection in the middle of a transaction is reset first, for the next mail must not
   * inherit anything.
   */
  release(connection: MtaConnection | undefined): void {
    if (connection?.alive !== true || !connection.inTransaction) return this.#giveBack(connection);
    return void reset(connection).then(() => this.#giveBack(connection));
  }

  #giveBack(connection: MtaConnection | undefined): void {
    if (connection?.alive === true) this.#keepOrRetire(connection);
    const next = this.#waiting.shift();
    if (next) return next();
    this.#inUse--;
    if (this.#inUse === 0) this.#emptied();
    return undefined;
  }

  /** Waits for the mails under way, then ends all sessions. */
  async close(): Promise<void> {
    if (this.#inUse > 0) await new Promise<void>((resolve) => (this.#emptied = resolve));
    const idle = this.#idle.splice(0);
    clearTimeout(this.#timer);
    await Promise.all([...this.#leaving, ...idle.map(({ connection }) => connection.quit())]);
  }

  #keepOrRetire(connection: MtaConnection): void {
    const { idleMs, mailsPerConnection } = this.#options;
    if (connection.uses >= mailsPerConnection) return this.retire(connection);
    this.#idle.push({ connection, until: performance.now() + idleMs });
    this.#timer ??= this.#retireIn(idleMs);
    return undefined;
  }

  #retireIn(milliseconds: number): NodeJS.Timeout {
    return setTimeout(() => {
      const now = performance.now();
      for (let [first] = this.#idle; first && first.until <= now; [first] = this.#idle) {
        this.#idle.shift();
        this.retire(first.connection);
      }
      const [next] = this.#idle;
      this.#timer = next && this.#retireIn(next.until - now);
    }, milliseconds).unref();
  }

  /** All unused connections but the last are kept a moment longer only, in which the next mails may still take them. */
  rest(): void {
    const soon = performance.now() + restMs;
    for (const idle of this.#idle.slice(0, -1)) idle.until = Math.min(idle.until, soon);
    if (this.#idle.length < 2) return;
    clearTimeout(this.#timer);
    this.#timer = this.#retireIn(restMs);
  }

  /** Ends a session that is not to be used again. */
  retire(connection: MtaConnection): void {
    const leaving = connection.quit().finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }
}

function removeFrom<T>(list: T[], item: T): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}

async function reset(connection: MtaConnection): Promise<void> {
  const timer = setTimeout(() => connection.close('no reply to RSET'), resetMs).unref();
  const answer = await connection.ask('RSET').catch(() => undefined);
  clearTimeout(timer);
  if (answer?.code !== 250) connection.close('RSET refused');
  connection.inTransaction = false;
}
