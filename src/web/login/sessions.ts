/**
 * Sessions of the page are kept in memory, so a restart ends them. An id is made at log-in, and never taken from a
 * client.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Token } from './tokens.js';

/** What happened; the next page tells it. */
export interface Notice {
  readonly good: boolean;
  readonly text: string;
  /** It is a marker that a button beside the text makes or removes. */
  readonly marker?: string;
  readonly action?: 'remove' | 'create';
  readonly label?: string;
  /** It is what a check's marker is to hold, such as log; '' for nothing. */
  readonly mode?: string;
  /** It is the page that tells it, and that its button leads back to. */
  readonly back?: string;
}

export interface WebSession {
  /** It is the token as its file had it at the last request. */
  token: Token;
  /** It goes with every change. */
  readonly csrf: string;
  notices: Notice[];
  used: number;
}

const idleMs = 12 * 3_600_000;
const maxSessions = 1_000;

export class Sessions {
  readonly #sessions = new Map<string, WebSession>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Begins a session, and returns its id. */
  begin(token: Token): string {
    const id = randomBytes(32).toString('base64url');
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size >= maxSessions && oldest !== undefined) this.#sessions.delete(oldest);
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

export const maySee = ({ token }: WebSession, domain: string): boolean => token.domains?.has(domain) ?? true;
