/**
 * Sessions of the page: those of one host are kept in memory, so a restart ends them. An id is made at log-in, and
 * never taken from a client.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Eventual } from '../../mail/eventual.js';
import type { Token, Tokens } from './tokens.js';

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
  /** It is the token as it is now. */
  readonly token: Token;
  /** It goes with every change. */
  readonly csrf: string;
  notices: Notice[];
}

/** Who is logged in, wherever that is kept. */
export interface KnownSessions {
  /** Begins a session, and returns its id. */
  begin(token: Token): Eventual<string>;
  /** It ends when it is not used, and with its token. */
  find(id: string): Eventual<WebSession | undefined>;
  /** Its notices have changed. */
  keep(id: string, session: WebSession): Eventual<void>;
  end(id: string): Eventual<void>;
}

interface OwnSession extends WebSession {
  token: Token;
  used: number;
}

const idleMs = 12 * 3_600_000;
/** So many has one token: whoever has another is not put out by them. */
const maxSessions = 100;

export class Sessions implements KnownSessions {
  readonly #sessions = new Map<string, OwnSession>();
  readonly #tokens: Pick<Tokens, 'current'>;
  readonly #now: () => number;

  constructor(tokens: Pick<Tokens, 'current'>, now: () => number = Date.now) {
    this.#tokens = tokens;
    this.#now = now;
  }

  begin(token: Token): string {
    const id = randomBytes(32).toString('base64url');
    const theirs = [...this.#sessions].filter(([, session]) => session.token.hash === token.hash);
    for (const [oldest] of theirs.slice(0, 1 - maxSessions)) this.#sessions.delete(oldest);
    const csrf = randomBytes(24).toString('base64url');
    this.#sessions.set(id, { token, csrf, notices: [], used: this.#now() });
    return id;
  }

  find(id: string): WebSession | undefined {
    const session = this.#sessions.get(id);
    if (!session) return undefined;
    const now = this.#now();
    const token = now - session.used > idleMs ? undefined : this.#tokens.current(session.token);
    if (!token) {
      this.#sessions.delete(id);
      return undefined;
    }
    session.token = token;
    session.used = now;
    return session;
  }

  keep(): void {
    // It is what was found.
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
