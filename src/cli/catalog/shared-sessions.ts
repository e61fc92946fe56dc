/**
 * Sessions of the page where several hosts share a catalog: whoever has a token from there is logged in on every host.
 * One that began with a token of this host's file is this host's, and lasts also while the catalog is away.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { SessionRows } from '../../catalog/shared/sessions.js';
import type { KnownSessions, Notice, Sessions, WebSession } from '../../web/login/sessions.js';
import { parseTokens, type Token, type Tokens } from '../../web/login/tokens.js';

export class SharedSessions implements KnownSessions {
  readonly #own: Sessions;
  readonly #ownTokens: Tokens;
  readonly #rows: SessionRows;

  constructor(own: Sessions, ownTokens: Tokens, rows: SessionRows) {
    this.#own = own;
    this.#ownTokens = ownTokens;
    this.#rows = rows;
  }

  async begin(token: Token): Promise<string> {
    if (this.#ownTokens.current(token)) return this.#own.begin(token);
    const id = randomBytes(32).toString('base64url');
    await this.#rows.begin(hashOf(id), token.hash);
    return id;
  }

  async find(id: string): Promise<WebSession | undefined> {
    const own = this.#own.find(id);
    if (own || !isId(id)) return own;
    const row = await this.#rows.find(hashOf(id));
    const [token] = parseTokens(row?.token ?? '');
    // Nobody but `keep` writes what is read here.
    return row && token && { token, csrf: csrfOf(id), notices: JSON.parse(row.notices) as Notice[] };
  }

  async keep(id: string, { notices }: WebSession): Promise<void> {
    if (!this.#own.find(id)) await this.#rows.keep(hashOf(id), JSON.stringify(notices));
  }

  async end(id: string): Promise<void> {
    if (this.#own.find(id)) this.#own.end(id);
    else await this.#rows.end(hashOf(id));
  }
}

/** What a client sends is looked for where it can be an id. */
const isId = (text: string): boolean => /^[\w-]{43}$/.test(text);

/** An id has 256 random bits, so its plain hash gives nothing away. */
const hashOf = (id: string): string => createHash('sha256').update(id).digest('hex');

/** Only who has the id can make it: the catalog does not have it. */
const csrfOf = (id: string): string => createHmac('sha256', id).update('csrf').digest('base64url');
