/**
 * That a domain's digest of a day was sent, and that nobody else is at it: so that however many commands run, one mail
 * goes out. Here it is files in the state folder; several hosts have it elsewhere.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Eventual } from '../mail/eventual.js';
import { underLock } from '../quarantine/disk/lock.js';
import { dayBefore } from '../quarantine/disk/day.js';
import { localDay } from '../text/day.js';
import { makePrivateFolder, ownAs } from './own-as.js';

export interface DigestOfDay {
  readonly domain: string;
  /** `2026-11-24` */
  readonly day: string;
}

/** What whoever has taken a digest on says of it. */
export interface DigestTurn {
  /** The end of the mail is about to be sent. Throws where it must not be: somebody else has taken the digest over. */
  begin(): Eventual<void>;
  /** The MTA has it. Broken IO throws. */
  sent(): Eventual<void>;
}

export type DigestTaken<T> =
  | { readonly kind: 'done'; readonly result: T }
  | { readonly kind: 'already' | 'busy' }
  /** Nobody knows whether it was sent: `detail` says who tried, and when. */
  | { readonly kind: 'unknown'; readonly detail: string };

export interface SentDigests {
  wasSent(digest: DigestOfDay): Eventual<boolean>;
  /** Does the work where nobody else does; `again`: also if it was, or may have been, done before. */
  take<T>(digest: DigestOfDay, again: boolean, work: (turn: DigestTurn) => Promise<T>): Promise<DigestTaken<T>>;
  /** Forgets that digests of days long gone were sent: nobody asks for them. */
  forgetOld(now?: Date): Eventual<void>;
}

const keptMs = 30 * 86_400_000;

/** The last day that is forgotten. */
export const oldestDay = (now: Date): string => localDay(dayBefore(new Date(now.getTime() - keptMs)));

export class SentOnDisk implements SentDigests {
  readonly #state: string;

  /** `state`: the state folder. Nothing is made there before the first digest is sent. */
  constructor(state: string) {
    this.#state = state;
  }

  get #sent(): string {
    return path.join(this.#state, 'digest', 'sent');
  }

  #file({ domain, day }: DigestOfDay): string {
    return path.join(this.#sent, `${day}.${domain}`);
  }

  wasSent(digest: DigestOfDay): boolean {
    return fs.existsSync(this.#file(digest));
  }

  async take<T>(digest: DigestOfDay, again: boolean, work: (turn: DigestTurn) => Promise<T>): Promise<DigestTaken<T>> {
    for (const dir of [path.dirname(this.#sent), this.#sent]) makePrivateFolder(dir, this.#state);
    const lockPath = path.join(path.dirname(this.#sent), `sending-${digest.domain}`);
    const taken = await underLock(lockPath, async (): Promise<DigestTaken<T>> => {
      if (!again && this.wasSent(digest)) return { kind: 'already' };
      return { kind: 'done', result: await work({ begin: () => undefined, sent: () => this.#remember(digest) }) };
    });
    return taken ?? { kind: 'busy' };
  }

  #remember(digest: DigestOfDay): void {
    const file = this.#file(digest);
    fs.writeFileSync(file, '', { mode: 0o600, flush: true });
    ownAs(file, this.#state);
  }

  forgetOld(now = new Date()): void {
    if (!fs.existsSync(this.#sent)) return;
    const oldest = oldestDay(now);
    for (const name of fs.readdirSync(this.#sent))
      if (name.slice(0, oldest.length) < oldest) fs.rmSync(path.join(this.#sent, name), { force: true });
  }
}
