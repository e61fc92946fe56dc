/**
 * The lines of this host's indexes as far as they have not been taken yet. How far that is stands in memory alone:
 * after a start everything is looked at again, and whoever takes lines finds out which of them are new.
 */
import fs from 'node:fs';
import type { IndexEntry } from '../../quarantine/disk/index-entry.js';
import { piecesOf } from '../../quarantine/disk/index-lines.js';
import type { Mark } from '../../quarantine/disk/mark.js';
import { openToRead } from '../../quarantine/disk/regular.js';
import { daysIn, type IndexFile, indexesOf } from '../../quarantine/look/days.js';

export interface IndexedLine {
  readonly yday: string;
  readonly domain: string;
  readonly entry?: IndexEntry;
  readonly mark?: Mark;
}

export interface WaitingLines {
  readonly lines: readonly IndexedLine[];
  /** They have been taken: they do not come again. */
  taken(): void;
}

interface TakenUntil {
  readonly ino: number;
  readonly octets: number;
}

export interface FollowerOptions {
  /** /spam */
  readonly root: string;
  /** Lines that are taken at once, at most. */
  readonly maxLines: number;
  /** It is how far a file may be read; to its end where none is given. */
  readonly limitOf?: (path: string) => number;
}

export interface DaysLookedAt {
  /** It is false where the last days are enough. */
  readonly all: boolean;
  readonly now?: Date;
}

/** Octets that are read at once; a line is shorter. */
const stretch = 1_048_576;
const lf = 0x0a;
/** Folders of so many days are looked at each time: mail comes in for these. */
const recentDays = 3;

export class IndexFollower {
  readonly #options: FollowerOptions;
  readonly #taken = new Map<string, TakenUntil>();

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** Octets of a file that have been taken. */
  takenOf(path: string): number {
    return this.#taken.get(path)?.octets ?? 0;
  }

  /** From now on what the last days have is new again. */
  forgetRecent(now = new Date()): void {
    for (const { path } of this.#files({ all: false, now })) this.#taken.delete(path);
  }

  /** Files with lines that have not been taken, the newest day first. */
  waiting({ all, now = new Date() }: DaysLookedAt): readonly IndexFile[] {
    return this.#files({ all, now }).filter((file) => this.#sizeOf(file) > this.#startOf(file));
  }

  #files({ all, now }: Required<DaysLookedAt>): readonly IndexFile[] {
    const { root } = this.#options;
    const days = daysIn(root, now);
    return (all ? days : days.slice(0, recentDays)).flatMap((day) => indexesOf(root, day));
  }

  /** The next lines of a file; none where there is only half a line. */
  next(file: IndexFile): WaitingLines {
    const start = this.#startOf(file);
    const octets = readAt(file.path, start, Math.min(stretch, this.#sizeOf(file) - start));
    const { lines, end } = linesIn(octets, this.#options.maxLines);
    const { yday, domain, ino } = file;
    return {
      lines: lines.flatMap((line) => piecesOf(line, 0)).map(({ entry, mark }) => lineOf({ yday, domain }, entry, mark)),
      taken: () => void this.#taken.set(file.path, { ino, octets: start + end }),
    };
  }

  /** A file that has been replaced begins anew. */
  #startOf({ path, ino, size }: IndexFile): number {
    const known = this.#taken.get(path);
    return known?.ino === ino && known.octets <= size ? known.octets : 0;
  }

  #sizeOf({ path, size }: IndexFile): number {
    return Math.min(size, this.#options.limitOf?.(path) ?? size);
  }
}

const lineOf = (
  place: Pick<IndexedLine, 'yday' | 'domain'>,
  entry: IndexEntry | undefined,
  mark: Mark | undefined,
): IndexedLine => ({ ...place, ...(entry && { entry }), ...(mark && { mark }) });

function readAt(path: string, start: number, length: number): Buffer {
  const fd = openToRead(path);
  if (fd === undefined) return Buffer.alloc(0);
  try {
    const octets = Buffer.allocUnsafe(length);
    return octets.subarray(0, fs.readSync(fd, octets, 0, length, start));
  } finally {
    fs.closeSync(fd);
  }
}

/** Whole lines, at most so many; what is longer than any line is passed over. */
function linesIn(octets: Buffer, maxLines: number): { readonly lines: readonly Buffer[]; readonly end: number } {
  const lines: Buffer[] = [];
  let end = 0;
  for (let at = octets.indexOf(lf); at >= 0 && lines.length < maxLines; at = octets.indexOf(lf, end)) {
    lines.push(octets.subarray(end, at));
    end = at + 1;
  }
  return { lines, end: lines.length === 0 && octets.length === stretch ? stretch : end };
}
