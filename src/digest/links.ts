/**
 * Links of a digest mail, each of which releases one mail, once, until a time. A link is that time and the mail, signed
 * with a secret in the state folder; spent ones are files beside it, which all processes see. Leaves releasing to the
 * page.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Eventual } from '../mail/eventual.js';
import { type MailRef, parseRef, refText } from '../quarantine/disk/mail-ref.js';
import { makePrivateFolder, ownAs } from './own-as.js';

/** Milliseconds that a link works. */
export const linkLife = 7 * 86_400_000;

export interface Link {
  readonly ref: MailRef;
  /** Milliseconds. */
  readonly expires: number;
}

/** Wrong is what we did not sign. */
export type LinkReading = { readonly kind: 'works' | 'ended'; readonly link: Link } | { readonly kind: 'wrong' };

/** What page and digest need of the links; those who know several hosts' links are asked for, and may be away. */
export interface DigestLinks {
  make(link: Link): Eventual<string>;
  read(text: string, now?: number): Eventual<LinkReading>;
  isSpent(link: Link): Eventual<boolean>;
  /** False when it was spent before; of several that ask at once, one is told true. */
  spend(link: Link): Eventual<boolean>;
  /** The attempt failed, so the link may be used again. */
  giveBack(link: Link): Eventual<void>;
  /** Forgets spent links that would be too old anyway. */
  tidy(now?: number): Eventual<void>;
}

export function writeLink({ ref, expires }: Link, secret: Buffer): string {
  const text = Buffer.from(`${expires}/${refText(ref)}`);
  return `${text.toString('base64url')}.${sign(text, secret).toString('base64url')}`;
}

export function readLink(link: string, secret: Buffer | undefined, now: number): LinkReading {
  const [, text = '', signature = ''] = /^([\w-]{1,1000})\.([\w-]{43})$/.exec(link) ?? [];
  if (!secret || text === '') return { kind: 'wrong' };
  const octets = Buffer.from(text, 'base64url');
  if (!timingSafeEqual(sign(octets, secret), Buffer.from(signature, 'base64url'))) return { kind: 'wrong' };
  const [, expires, name = ''] = /^(\d+)\/(.*)$/s.exec(octets.toString()) ?? [];
  const ref = parseRef(name);
  if (!ref) return { kind: 'wrong' };
  return { kind: now < Number(expires) ? 'works' : 'ended', link: { ref, expires: Number(expires) } };
}

/** It names a spent link by mail and time: several texts of a link might mean the same. */
export const spentName = ({ ref, expires }: Link): string =>
  `${expires}-${createHash('sha256').update(refText(ref)).digest('hex')}`;

export class Links implements DigestLinks {
  readonly #state: string;
  readonly #folder: string;
  readonly #spent: string;

  /** `state`: the state folder. Nothing is made there before the first link is. */
  constructor(state: string) {
    this.#state = state;
    this.#folder = path.join(state, 'digest');
    this.#spent = path.join(this.#folder, 'spent');
  }

  make(link: Link): string {
    this.#makeFolders();
    return writeLink(link, this.#secret() ?? this.#newSecret());
  }

  read(text: string, now = Date.now()): LinkReading {
    return readLink(text, this.#secret(), now);
  }

  isSpent(link: Link): boolean {
    return fs.existsSync(this.#spentPath(link));
  }

  /** Broken IO throws. */
  spend(link: Link): boolean {
    try {
      // The name is all there is to it: a full disk takes it, too.
      fs.closeSync(fs.openSync(this.#spentPath(link), 'wx', 0o600));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  }

  giveBack(link: Link): void {
    fs.rmSync(this.#spentPath(link), { force: true });
  }

  tidy(now = Date.now()): void {
    if (!fs.existsSync(this.#spent)) return;
    for (const name of fs.readdirSync(this.#spent))
      if (Number(/^(\d+)-/.exec(name)?.[1] ?? Infinity) < now) fs.rmSync(path.join(this.#spent, name), { force: true });
  }

  #spentPath(link: Link): string {
    return path.join(this.#spent, spentName(link));
  }

  #makeFolders(): void {
    for (const folder of [this.#folder, this.#spent]) makePrivateFolder(folder, this.#state);
  }

  get #secretPath(): string {
    return path.join(this.#folder, 'secret');
  }

  #secret(): Buffer | undefined {
    const text = fs.existsSync(this.#secretPath) ? fs.readFileSync(this.#secretPath, 'latin1') : '';
    return /^[0-9a-f]{64}$/.test(text) ? Buffer.from(text, 'hex') : undefined;
  }

  /** Linked into place whole, so that of several that make one, all take the same. */
  #newSecret(): Buffer {
    const mine = `${this.#secretPath}.${randomBytes(8).toString('hex')}`;
    fs.writeFileSync(mine, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx', flush: true });
    ownAs(mine, this.#state);
    try {
      fs.linkSync(mine, this.#secretPath);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      fs.rmSync(mine, { force: true });
    }
    return this.#secret() ?? thrown(`${this.#secretPath} holds no secret: delete it, and all links end`);
  }
}

const sign = (text: Buffer, secret: Buffer): Buffer =>
  createHmac('sha256', secret).update('postern digest: release\n').update(text).digest();

function thrown(problem: string): never {
  throw new Error(problem);
}
