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

/** Lines of one file, one after the other. */
export interface WaitingLines {
  readonly path: string;
  readonly lines: readonly IndexedLine[];
  /** They have been taken and do not come again, which is true only where all before them in their file have been. */
  taken(): boolean;
}

interface TakenUntil {
  readonly ino: number;
  readonly octets: number;
}

export interface FollowerOptions {
  /** /spam */
  readonly root: string;
  /** Lines that are given at once, at most. */
  readonly maxLines: number;
  /** It is how far a file may be read; to its end where none is given. */
  readonly limitOf?: (path: string) => number;
  /** A file cannot be read; it is passed over. */
  readonly onProblem: (path: string, error: unknown) => void;
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
  /** What is left of the last look: files, the newest day first, and how far the first of them has been given. */
  #files: IndexFile[] = [];
  #given: number | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** Octets of a file that have been taken. */
  takenOf(path: string): number {
    return this.#taken.get(path)?.octets ?? 0;
  }

  /** What another has taken counts as taken here. */
  passOver(other: IndexFollower): void {
    for (const [path, there] of other.#taken) {
      const here = this.#taken.get(path);
      if (here?.ino !== there.ino || here.octets < there.octets) this.#taken.set(path, there);
    }
    this.lookAnew();
  }

  /** From now on what the last days have is new again. */
  forgetRecent(now = new Date()): void {
    for (const { path } of this.#filesOf({ all: false, now })) this.#taken.delete(path);
    this.lookAnew();
  }

  /** What was given and not taken is given again. */
  lookAnew(): void {
    [this.#files, this.#given] = [[], undefined];
  }

  /** The next lines, of several files where one has few; none where nothing waits. */
  next(days: DaysLookedAt): readonly WaitingLines[] {
    const rest = this.#rest();
    if (rest.length > 0) return rest;
    this.#files = [...this.#filesOf(days)];
    return this.#rest();
  }

  #rest(): readonly WaitingLines[] {
    const found: WaitingLines[] = [];
    let left = this.#options.maxLines;
    for (let [file] = this.#files; file && left > 0; [file] = this.#files) {
      const piece = this.#tryRead(file, left);
      if (!piece) {
        this.#files.shift();
        this.#given = undefined;
        continue;
      }
      this.#given = piece.end;
      left -= Math.max(1, piece.lines.length);
      found.push(piece);
    }
    return found;
  }

  #filesOf({ all, now = new Date() }: DaysLookedAt): readonly IndexFile[] {
    const { root } = this.#options;
    const days = daysIn(root, now);
    return (all ? days : days.slice(0, recentDays)).flatMap((day) => indexesOf(root, day));
  }

  #tryRead(file: IndexFile, maxLines: number): (WaitingLines & { readonly end: number }) | undefined {
    try {
      return this.#read(file, maxLines);
    } catch (error) {
      this.#options.onProblem(file.path, error);
      return undefined;
    }
  }

  /** Undefined where there is no more, or only half a line. */
  #read(file: IndexFile, maxLines: number): (WaitingLines & { readonly end: number }) | undefined {
    const { yday, domain, path, ino } = file;
    const start = this.#given ?? this.#startOf(file);
    const length = Math.min(stretch, this.#sizeOf(file) - start);
    if (length <= 0) return undefined;
    const { lines, end: read } = linesIn(readAt(path, start, length), maxLines);
    if (read === 0) return undefined;
    const end = start + read;
    return {
      path,
      end,
      lines: lines.flatMap((line) => piecesOf(line, 0)).map(({ entry, mark }) => lineOf({ yday, domain }, entry, mark)),
      taken: () => {
        if (this.#startOf(file) !== start) return false;
        this.#taken.set(path, { ino, octets: end });
        return true;
      },
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
