/**
 * Reads one index from its end to its beginning, a stretch at a time, and keeps only what a search may want. Others may
 * append meanwhile. The file is open only while a stretch is read: a day may have a thousand of them.
 */
import fs from 'node:fs';
import { BackwardLines, type LineAt, lineAround, linesIn } from '../../lines/backward-lines.js';
import type { IndexEntry } from '../disk/index-entry.js';
import { piecesOf } from '../disk/index-lines.js';
import { type Mark, markSign, parseMark } from '../disk/mark.js';
import { openToRead } from '../disk/regular.js';

export interface EntryAt {
  readonly entry: IndexEntry;
  /** Octets from the beginning of the file. */
  readonly start: number;
}

/** It says which lines are worth looking at. */
export interface Wanted {
  /** It is true where nearly all lines are wanted, so that the reader soon has enough. */
  readonly nearlyAll: boolean;
  /** Where it is given, only lines whose octets (as latin1) meet it are wanted. */
  readonly prefilter?: RegExp;
  /** Where it is true, only lines of marked mails are wanted. */
  readonly marked?: boolean;
}

export class BackwardIndex {
  readonly #path: string;
  readonly #inode: number;
  readonly #file: BackwardLines;
  /** Lines of the last stretch that are still to be looked at, the newest last. */
  #lines: LineAt[] = [];
  #found: EntryAt[] = [];
  /** Its keys are the mails' file names. The newest mark counts; it stands behind the mail's line. */
  readonly marks = new Map<string, Mark>();

  readonly #wanted: Wanted;

  /** `file` is as it was when the search began: what is appended later is not seen. */
  constructor(file: { readonly path: string; readonly size: number; readonly ino: number }, wanted: Wanted) {
    this.#path = file.path;
    this.#inode = file.ino;
    this.#wanted = wanted;
    const read = (from: number, end: number): Buffer => this.#octets(from, end);
    this.#file = new BackwardLines({ size: file.size, read, nearlyAll: wanted.nearlyAll });
  }

  /** Is there nothing left? */
  get done(): boolean {
    return this.#file.done && this.#lines.length === 0 && this.#found.length === 0;
  }

  /** The next entry that is already in memory. */
  take(): EntryAt | undefined {
    for (;;) {
      const found = this.#found.pop();
      if (found) return found;
      const line = this.#lines.pop();
      if (!line) return undefined;
      this.#found = piecesOf(line.octets, line.start).flatMap(({ entry, start }) => (entry ? [{ entry, start }] : []));
    }
  }

  /** Reads one stretch; returns the time of its oldest line in milliseconds, where that can be told. */
  read(): number | undefined {
    const stretch = this.#file.next();
    if (stretch === undefined) return undefined;
    this.#readMarks(stretch.octets);
    this.#lines = this.#select(stretch);
    return timeOf(stretch.octets);
  }

  /** Returns no octets when the file was removed or replaced meanwhile. */
  #octets(from: number, end: number): Buffer {
    const fd = openToRead(this.#path);
    if (fd === undefined) return Buffer.alloc(0);
    try {
      if (fs.fstatSync(fd).ino !== this.#inode) return Buffer.alloc(0);
      const octets = Buffer.allocUnsafe(end - from);
      return octets.subarray(0, fs.readSync(fd, octets, 0, octets.length, from));
    } finally {
      fs.closeSync(fd);
    }
  }

  #readMarks(octets: Buffer): void {
    for (let at = octets.lastIndexOf(markSign); at >= 0; at = at > 0 ? octets.lastIndexOf(markSign, at - 1) : -1) {
      const { octets: line } = lineAround(octets, at, 0);
      const mark = parseMark(line.toString());
      if (mark && !this.marks.has(mark.filename)) this.marks.set(mark.filename, mark);
    }
  }

  #select(stretch: LineAt): LineAt[] {
    const { prefilter, marked = false } = this.#wanted;
    return marked && this.marks.size === 0 ? [] : linesIn(stretch, prefilter);
  }
}

/** Returns the time of the first line in milliseconds. */
function timeOf(octets: Buffer): number | undefined {
  const time = Date.parse(/^\{"time":"([^"]{1,40})"/.exec(octets.toString('latin1', 0, 60))?.[1] ?? '');
  return Number.isNaN(time) ? undefined : time;
}
