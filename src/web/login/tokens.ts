/**
 * Who may see the quarantine page: a file with one token a line, `NAME SCOPE SHA256 DAY`. It is read at every request,
 * so a line that is taken out ends its sessions at once. A token is 160 random bits, so its plain hash gives nothing
 * away.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { parseDomain } from '../../mail/domain.js';
import type { Eventual } from '../../mail/eventual.js';

export interface Person {
  /** It stands in X-Released-By, in the index and in the audit. */
  readonly name: string;
  /** They are the domains that may be seen; undefined: all. */
  readonly domains?: ReadonlySet<string>;
}

export interface Token extends Person {
  readonly hash: string;
  /** It is the day on which the token was made; '' in lines of older versions. */
  readonly made: string;
}

export const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

/** It has 32 characters, none of which look alike. */
export function newToken(): string {
  const digits = '0123456789abcdefghjkmnpqrstvwxyz';
  return [...randomBytes(32)].map((octet) => digits.charAt(octet & 31)).join('');
}

/** The token in what somebody has typed or pasted, which may be the whole link. */
export const tokenIn = (text: string): string => (/#token=(\S+)\s*$/.exec(text)?.[1] ?? text).trim();

function parseLine(line: string): Token | undefined {
  const [, name, scope, hash, made = ''] =
    /^([^\s#]\S*)[ \t]+(\S+)[ \t]+([0-9a-f]{64})(?:[ \t]+(\S+))?\s*$/.exec(line) ?? [];
  if (name === undefined || scope === undefined || hash === undefined) return undefined;
  if (scope === 'admin') return { name, hash, made };
  return { name, hash, made, domains: new Set(scope.split(',').map((one) => parseDomain(one) ?? one)) };
}

/** Comments, and lines that are no token, are passed over. */
export const parseTokens = (text: string): readonly Token[] =>
  text.split('\n').flatMap((line) => parseLine(line) ?? []);

export const tokenLine = (name: string, scope: string, token: string): string =>
  `${name} ${scope} ${hashOf(token)} ${new Date().toISOString().slice(0, 10)}\n`;

/** Who has which token, wherever they are kept. Broken IO throws. */
export interface KnownTokens {
  /** Whose token is it? A one-time token is spent by asking. */
  find(token: string): Eventual<Token | undefined>;
}

export class Tokens implements KnownTokens {
  #file: string;
  /** It belongs to a trial, lets somebody in once, and is in no file. */
  readonly #oneTime: Token | undefined;
  #isSpent = false;

  constructor(file: string, oneTime?: string) {
    this.#file = file;
    this.#oneTime = oneTime === undefined ? undefined : { name: 'trial', hash: hashOf(oneTime), made: '' };
  }

  /** From now on this file counts; what was spent stays spent. */
  readFrom(file: string): void {
    this.#file = file;
  }

  find(token: string): Token | undefined {
    const hash = Buffer.from(hashOf(token));
    const isIt = (one: Token): boolean => timingSafeEqual(Buffer.from(one.hash), hash);
    if (this.#oneTime && !this.#isSpent && isIt(this.#oneTime)) {
      this.#isSpent = true;
      return this.#oneTime;
    }
    return readTokens(this.#file).find(isIt);
  }

  /** The token of a session as it is now, with the domains it has now; undefined: it was taken out. */
  current({ hash }: Token): Token | undefined {
    return this.#oneTime?.hash === hash ? this.#oneTime : readTokens(this.#file).find((one) => one.hash === hash);
  }
}

/** The file's tokens; an empty list where there is no file. Broken IO throws. */
export function readTokens(file: string): readonly Token[] {
  const text = textOf(file);
  return text === undefined ? [] : parseTokens(text);
}

function textOf(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** Adds a line; returns the token, which is told nowhere else. Broken IO throws. */
export function addToken(file: string, name: string, scope: string): string {
  const token = newToken();
  fs.mkdirSync(path.dirname(file), { recursive: true });
  // A last line that somebody has left without its end would swallow ours.
  const text = textOf(file) ?? '';
  const start = text === '' || text.endsWith('\n') ? '' : '\n';
  fs.appendFileSync(file, `${start}${tokenLine(name, scope, token)}`, { mode: 0o644 });
  return token;
}

/**
 * Takes out all tokens of that name, and returns them. The file is replaced whole, by one of the same owner and mode:
 * whoever reads it meanwhile sees the old lines or the new ones. Broken IO throws, and nothing is changed.
 */
export function revokeTokens(file: string, name: string): readonly Token[] {
  const lines = (textOf(file) ?? '').split('\n');
  const isTheirs = (line: string): boolean => parseLine(line)?.name === name;
  const theirs = lines.filter(isTheirs).flatMap((line) => parseLine(line) ?? []);
  if (theirs.length > 0) replace(fs.realpathSync(file), lines.filter((line) => !isTheirs(line)).join('\n'));
  return theirs;
}

function replace(file: string, text: string): void {
  const { mode, uid, gid } = fs.statSync(file);
  const half = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    fs.writeFileSync(half, text, { flag: 'wx', mode: mode & 0o777, flush: true });
    if (process.getuid?.() === 0) fs.chownSync(half, uid, gid);
    fs.chmodSync(half, mode & 0o777);
    fs.renameSync(half, file);
  } finally {
    fs.rmSync(half, { force: true });
  }
}
