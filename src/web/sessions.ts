/** Sessions of the page, in memory: a restart ends them. An id is made at login and never taken from a client. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Token } from './tokens.js';

/** What happened, told on the next page. */
export interface Notice {
  readonly good: boolean;
  readonly text: string;
  /** The marker that was made (`undo: 'remove'`) or removed (`'create'`). */
  readonly marker?: string;
  readonly undo?: 'remove' | 'create';
  /** The page that it is told on, and where undoing it leads. */
  readonly back?: string;
}

export interface WebSession {
  readonly token: Token;
  /** Goes with every change. */
  readonly csrf: string;
  notices: Notice[];
  used: number;
}

const idleMs = 12 * 3_600_000;
const most = 1_000;

export class Sessions {
  readonly #sessions = new Map<string, WebSession>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** The id of a new session. */
  begin(token: Token): string {
    const id = randomBytes(32).toString('base64url');
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size >= most && oldest !== undefined) this.#sessions.delete(oldest);
    const csrf = randomBytes(24).toString('base64url');
    this.#sessions.set(id, { token, csrf, notices: [], used: this.#now() });
    return id;
  }

  find(id: string): WebSession | undefined {
    const session = this.#sessions.get(id);
    if (!session) return undefined;
    const now = this.#now();
    if (now - session.used > idleMs) {
      this.#sessions.delete(id);
      return undefined;
    }
    session.used = now;
    return session;
  }

  end(id: string): void {
    this.#sessions.delete(id);
  }
}

export function isSame(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

/** Wrong tokens: after so many a minute nobody's is looked at, right or wrong. All clients together, for a proxy makes them one. */
export class Attempts {
  readonly #now: () => number;
  readonly #failures: number[] = [];

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Seconds to wait; 0: go on. */
  get wait(): number {
    const now = this.#now();
    while (this.#failures.length > 0 && now - (this.#failures[0] ?? 0) > 60_000) this.#failures.shift();
    return this.#failures.length < 10 ? 0 : Math.ceil((60_000 - (now - (this.#failures[0] ?? 0))) / 1000) || 1;
  }

  failed(): void {
    this.#failures.push(this.#now());
  }
}

export const maySee = ({ token }: WebSession, domain: string): boolean => token.domains?.has(domain) ?? true;
