/**
 * What of this host's mails the catalog lacks: how many, their octets, and since when the oldest waits. What has been
 * appended is read while it waits and once, so that it costs nothing where nothing waits. After a start that is what
 * came since everything was there, as a file of `state` says; shipping does not rely on it.
 */
import fs from 'node:fs';
import { readDone, writeDone } from './done-file.js';
import { IndexFollower, type WaitingLines } from './index-follower.js';

export interface Behind {
  /** Mails whose lines are not there. */
  readonly lines: number;
  /** Those that are not there themselves, and their octets. */
  readonly mails: number;
  readonly octets: number;
  /** When the oldest of them came, in milliseconds as Date.now() has them; undefined where none waits. */
  readonly since: number | undefined;
}

export const nothingBehind: Behind = { lines: 0, mails: 0, octets: 0, since: undefined };

/** How far the indexes have been shipped. */
export interface Shipped {
  readonly lines: IndexFollower;
  readonly bodies: IndexFollower;
}

/** A piece of an index that had not been shipped when it was read, and the mails in it. */
interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly mails: number;
  readonly octets: number;
  readonly since: number;
}

export interface BacklogOf {
  /** /spam */
  readonly root: string;
  readonly state?: string;
  readonly maxLines?: number;
  /** Called with an index that is gone, and how many of its mails nobody had shipped: other hosts never see them. */
  readonly onLost?: (index: string, mails: number) => void;
}

const noteMs = 10_000;
/** Octets of pieces that are remembered as one: a catalog may be away for days. */
const maxPiece = 1_048_576;
/** Pieces that are read in one look. */
const maxPieces = 20;
/** A mail's time is that at which it began to come in. */
const graceMs = 60_000;

export class Backlog {
  readonly #read: IndexFollower;
  readonly #state: string | undefined;
  readonly #knownMs: number;
  #noted = 0;
  /** By the path of the index. */
  readonly #waiting = new Map<string, Stretch[]>();
  #behind = nothingBehind;
  readonly #onLost: BacklogOf['onLost'];
  #lost = 0;

  constructor({ root, state, maxLines = 5_000, onLost }: BacklogOf) {
    this.#onLost = onLost;
    // Who ships complains of what cannot be read.
    this.#read = new IndexFollower({ root, maxLines, onProblem: () => undefined });
    this.#state = state;
    this.#knownMs = state === undefined ? 0 : readDone(state) - graceMs;
  }

  /** Everything that was there at that time has been shipped. It is written down now and then. */
  done(time: number): void {
    if (this.#state === undefined || time - this.#noted < noteMs) return;
    writeDone(this.#state, time);
    this.#noted = time;
  }

  get behind(): Behind {
    return this.#behind;
  }

  /** The indexes that have them. */
  get indexes(): ReadonlySet<string> {
    return new Set(this.#waiting.keys());
  }

  /** Mails that were seen to wait, and went before they were shipped. */
  get lost(): number {
    return this.#lost;
  }

  /** Nothing has been shipped where `shipped` is not given. */
  look(shipped: Shipped | undefined): void {
    if (shipped) this.#read.passOver(shipped.bodies);
    for (let i = 0; i < maxPieces; i++) {
      const given = this.#read.next({ all: false });
      if (given.length === 0) break;
      for (const lines of given) this.#add(lines, shipped?.bodies.takenOf(lines.path) ?? 0);
    }
    this.#behind = this.#sum(shipped);
  }

  /** `shipped`: octets of the index whose mails have been. */
  #add({ path, lines, taken }: WaitingLines, shipped: number): void {
    const start = this.#read.takenOf(path);
    if (!taken()) return;
    const end = this.#read.takenOf(path);
    const entries = lines.flatMap(({ entry }) => (entry && Date.parse(entry.time) > this.#knownMs ? [entry] : []));
    const piece = {
      start,
      end,
      mails: entries.length,
      octets: entries.reduce((sum, { size }) => sum + size, 0),
      since: entries.reduce((first, { time }) => Math.min(first, Date.parse(time)), Infinity),
    };
    // A file that has been replaced begins anew.
    const before = this.#waiting.get(path)?.filter((one) => one.end <= start) ?? [];
    const last = before.at(-1);
    const isOne = last && last.end === start && last.start >= shipped && end - last.start <= maxPiece;
    this.#waiting.set(path, isOne ? [...before.slice(0, -1), joined(last, piece)] : [...before, piece]);
  }

  #lose(path: string, waiting: readonly Stretch[], taken: number): void {
    const mails = waiting.reduce((sum, piece) => sum + partOf(piece.mails, piece, taken), 0);
    this.#lost += mails;
    if (mails > 0) this.#onLost?.(path, mails);
  }

  #sum(shipped: Shipped | undefined): Behind {
    let { lines, mails, octets, since } = nothingBehind;
    for (const [path, pieces] of this.#waiting) {
      const taken = shipped?.bodies.takenOf(path) ?? 0;
      const waiting = pieces.filter((piece) => piece.end > taken && piece.mails > 0);
      const left = fs.existsSync(path) ? waiting : [];
      if (left !== waiting) this.#lose(path, waiting, taken);
      if (left.length === 0) this.#waiting.delete(path);
      else this.#waiting.set(path, left);
      for (const piece of left) {
        lines += partOf(piece.mails, piece, shipped?.lines.takenOf(path) ?? 0);
        mails += partOf(piece.mails, piece, taken);
        octets += partOf(piece.octets, piece, taken);
        since = Math.min(since ?? Infinity, piece.since);
      }
    }
    return { lines, mails, octets, since };
  }
}

const joined = (one: Stretch, next: Stretch): Stretch => ({
  start: one.start,
  end: next.end,
  mails: one.mails + next.mails,
  octets: one.octets + next.octets,
  since: Math.min(one.since, next.since),
});

/** Lines are taken in other pieces than they are read in: what is left of one is reckoned by its length. */
const partOf = (count: number, { start, end }: Stretch, taken: number): number =>
  Math.ceil((count * Math.max(0, end - Math.max(start, taken))) / (end - start));
