/** Tokens of the page where several hosts share a catalog: those of the catalog, and those of this host's file. */
import type { TokenLines } from '../../catalog/shared/tokens.js';
import type { Eventual } from '../../mail/eventual.js';
import {
  addToken,
  hashOf,
  type KnownTokens,
  newToken,
  parseTokens,
  readTokens,
  revokeTokens,
  type Token,
  tokenLine,
  type Tokens,
} from '../../web/login/tokens.js';

/** The file is looked at first: with a token from there somebody is let in also while the catalog is away. */
export class SharedTokens implements KnownTokens {
  readonly #own: Tokens;
  readonly #lines: TokenLines;

  constructor(own: Tokens, lines: TokenLines) {
    this.#own = own;
    this.#lines = lines;
  }

  /** What is compared is a hash of 160 random bits: how long that takes tells nothing of use. */
  async find(token: string): Promise<Token | undefined> {
    return this.#own.find(token) ?? parseTokens((await this.#lines.withHash(hashOf(token))) ?? '')[0];
  }
}

/** Where commands make, list and end tokens. */
export interface TokenStore {
  /** For people. */
  readonly place: string;
  all(): Eventual<readonly Token[]>;
  /** Returns the token, which is told nowhere else. */
  add(name: string, scope: string): Eventual<string>;
  /** Takes out all of that name, and returns them. */
  revoke(name: string): Eventual<readonly Token[]>;
}

/** Where there is a catalog, new tokens are in it, and those of the file are looked at and ended as well. */
export const tokenStore = (file: string, lines: TokenLines | undefined): TokenStore =>
  lines
    ? {
        place: 'the catalog',
        all: async () => [...readTokens(file), ...parseTokens((await lines.all()).join(''))],
        async add(name, scope) {
          const token = newToken();
          await lines.add({ hash: hashOf(token), name, line: tokenLine(name, scope, token) });
          return token;
        },
        revoke: async (name) => [...revokeTokens(file, name), ...parseTokens((await lines.remove(name)).join(''))],
      }
    : {
        place: file,
        all: () => readTokens(file),
        add: (name, scope) => addToken(file, name, scope),
        revoke: (name) => revokeTokens(file, name),
      };
