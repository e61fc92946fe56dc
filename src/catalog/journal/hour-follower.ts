/**
 * The lines of this host's journal as far as they have not been taken yet. How far that is stands in memory alone. A
 * file that was written over in its place, because lines were masked or erased, is looked at anew.
 */
import fs from 'node:fs';
import { codeOf } from '../../quarantine/disk/durable.js';
import { openToRead } from '../../quarantine/disk/regular.js';
import { daysOf, graceMs, hourMs, hoursOf, type JournalHour } from '../../journal/hours.js';
import { itemsIn } from '../../journal/reader.js';
import { isPlausible } from '../parts.js';
import { type LineRow, lineRow } from './line-row.js';

export interface WaitingRows {
  readonly rows: readonly LineRow[];
  /** They have been taken: they do not come again, unless all was forgotten meanwhile. */
  taken(): void;
}

interface TakenUntil {
  readonly ino: number;
  readonly octets: number;
  /** The file's, when that was read. */
  readonly mtimeMs: number;
}

/** Octets that are read at once; a line is shorter. */
const stretch = 1_048_576;
/** Everybody has written what was gathered in the hour. */
const overMs = 60_000;
const lf = 0x0a;

export class HourFollower {
  readonly #dir: string;
  readonly #taken = new Map<string, TakenUntil>();
  #forgotten = 0;

  /** `dir` is `state/journal`. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** From now on what the last hours have is new again. */
  forgetRecent(now = Date.now()): void {
    for (const { file } of this.#hours({ all: false }, now)) this.#taken.delete(file);
    this.#forgotten++;
  }

  /** Hours with lines that have not been taken, the newest first: the last ones, or all. */
  waiting(which: { readonly all: boolean }, now = Date.now()): readonly JournalHour[] {
    return this.#hours(which, now).filter(({ file }) => {
      const stat = statOf(file);
      return stat !== undefined && (stat.size > this.#startIn(file, stat) || this.#isRewritten(file, stat));
    });
  }

  #hours({ all }: { readonly all: boolean }, now: number): readonly JournalHour[] {
    const days = daysOf(this.#dir).filter((day) => isPlausible(day, now));
    const hours = (all ? days : days.slice(0, 2)).flatMap((day) => hoursOf(this.#dir, day));
    return all ? hours : hours.filter(({ start }) => start + hourMs + graceMs > now);
  }

  #isRewritten(file: string, { ino, size, mtimeMs }: fs.Stats): boolean {
    const known = this.#taken.get(file);
    return known?.ino === ino && known.octets === size && known.mtimeMs !== mtimeMs;
  }

  #startIn(file: string, stat: fs.Stats): number {
    const known = this.#taken.get(file);
    const goesOn = known?.ino === stat.ino && known.octets <= stat.size && !this.#isRewritten(file, stat);
    return goesOn ? known.octets : 0;
  }

  /** The next lines of an hour; none where there is only half a line. */
  next({ file, start: hour }: JournalHour, now = Date.now()): WaitingRows {
    const stat = statOf(file);
    if (!stat) return { rows: [], taken: () => undefined };
    const from = this.#startIn(file, stat);
    const octets = readAt(file, from, Math.min(stretch, stat.size - from));
    const isWhole = from + octets.length === stat.size && hour + hourMs + overMs < now;
    const end = isWhole || octets.lastIndexOf(lf) < 0 ? endOf(octets, isWhole) : octets.lastIndexOf(lf) + 1;
    const { ino, mtimeMs } = stat;
    const forgotten = this.#forgotten;
    return {
      rows: itemsIn({ octets: octets.subarray(0, end), start: from }).flatMap(({ start, length }) => {
        const text = octets.toString('utf8', start - from, start - from + length).trimEnd();
        return lineRow(text, { hour, start }) ?? [];
      }),
      taken: () => {
        if (forgotten === this.#forgotten) this.#taken.set(file, { ino, octets: from + end, mtimeMs });
      },
    };
  }
}

/** What is longer than any line is passed over, such as a block that a crash has left empty. */
const endOf = (octets: Buffer, isWhole: boolean): number => (isWhole || octets.length === stretch ? octets.length : 0);

function statOf(file: string): fs.Stats | undefined {
  try {
    return fs.statSync(file, { throwIfNoEntry: false });
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

function readAt(file: string, start: number, length: number): Buffer {
  const fd = openToRead(file);
  if (fd === undefined) return Buffer.alloc(0);
  try {
    const octets = Buffer.allocUnsafe(length);
    return octets.subarray(0, fs.readSync(fd, octets, 0, length, start));
  } finally {
    fs.closeSync(fd);
  }
}
