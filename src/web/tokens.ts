/**
 * Who may see the quarantine page: a file with one token a line, `NAME SCOPE SHA256`, read afresh whenever it has changed.
 * A token is 160 random bits, so its plain hash gives nothing away. Taking a line out ends its sessions, too.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { parseDomain } from '../mail/domain.js';

export interface Person {
  /** For X-Released-By and the index. */
  readonly name: string;
  /** The domains that may be seen; undefined: all. */
  readonly domains?: ReadonlySet<string>;
}

export interface Token extends Person {
  readonly hash: string;
}

export const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

/** 32 characters without any that look alike. */
export function newToken(): string {
  const digits = '0123456789abcdefghjkmnpqrstvwxyz';
  return [...randomBytes(32)].map((octet) => digits.charAt(octet & 31)).join('');
}

/** Lines that are none are passed over. */
export function parseTokens(text: string): readonly Token[] {
  return text.split('\n').flatMap((line) => {
    const [, name = '', scope = '', hash = ''] = /^([^\s#]\S*)\s+(\S+)\s+([0-9a-f]{64})\s*$/.exec(line) ?? [];
    if (hash === '') return [];
    return [
      {
        name,
        hash,
        ...(scope !== 'admin' && { domains: new Set(scope.split(',').map((one) => parseDomain(one) ?? one)) }),
      },
    ];
  });
}

export const tokenLine = (name: string, scope: string, token: string): string => `${name} ${scope} ${hashOf(token)}\n`;

export class Tokens {
  readonly #file: string;
  #seen = '';
  #tokens: readonly Token[] = [];
  /** Of a trial: works once, and is in no file. */
  #oneTime: Token | undefined;

  constructor(file: string, oneTime?: string) {
    this.#file = file;
    if (oneTime !== undefined) this.#oneTime = { name: 'trial', hash: hashOf(oneTime) };
  }

  /** Whose token is it? A one-time token is spent by asking. */
  find(token: string): Token | undefined {
    const hash = Buffer.from(hashOf(token));
    const isIt = (one: Token): boolean => timingSafeEqual(Buffer.from(one.hash), hash);
    if (this.#oneTime && isIt(this.#oneTime)) {
      const found = this.#oneTime;
      this.#oneTime = undefined;
      return found;
    }
    return this.#read().find(isIt);
  }

  /** Does a session that began with this token still have it? */
  holds({ name, hash }: Token): boolean {
    return name === 'trial' || this.#read().some((one) => one.hash === hash);
  }

  #read(): readonly Token[] {
    const stat = fs.statSync(this.#file, { throwIfNoEntry: false });
    const seen = stat ? `${stat.ino} ${stat.mtimeMs} ${stat.size}` : '';
    if (seen !== this.#seen) {
      this.#tokens = stat ? parseTokens(fs.readFileSync(this.#file, 'utf8')) : [];
      this.#seen = seen;
    }
    return this.#tokens;
  }
}

/** Adds a line; returns the token, which is told nowhere else. */
export function addToken(file: string, name: string, scope: string): string {
  const token = newToken();
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.appendFileSync(file, tokenLine(name, scope, token), { mode: 0o644 });
  return token;
}
