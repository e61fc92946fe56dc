/**
 * Reads one index from its end to its beginning, a stretch at a time, and keeps only what a search may want. Others may
 * append meanwhile. The file is open only while a stretch is read: a day may have a thousand of them.
 */
import fs from 'node:fs';
import type { IndexEntry } from '../disk/index-entry.js';
import { piecesOf } from '../disk/index-lines.js';
import { type Mark, markSign, parseMark } from '../disk/mark.js';
import { openToRead } from '../disk/regular.js';

export interface EntryAt {
  readonly entry: IndexEntry;
  /** Octets from the beginning of the file. */
  readonly start: number;
}

/**
 * A stretch's size at first and at most, in octets. It begins small because most readers want only the newest mails.
 */
const minStretch = 4_096;
const maxStretch = 262_144;

const lf = 0x0a;

/** It says which lines are worth looking at. */
export interface Wanted {
  /** It is true where nearly all lines are wanted, so that the reader soon has enough. */
  readonly nearlyAll: boolean;
  /** Where it is given, only lines whose octets (as latin1) meet it are wanted. */
  readonly prefilter?: RegExp;
  /** Where it is true, only lines of marked mails are wanted. */
  readonly marked?: boolean;
}

interface IndexedLine {
  readonly start: number;
  readonly octets: Buffer;
}

export class BackwardIndex {
  readonly #path: string;
  readonly #inode: number;
  /** Octets before this one have not been read yet. */
  #unread: number;
  #stretch: number;
  /** Lines of the last stretch that are still to be looked at, the newest last. */
  #lines: IndexedLine[] = [];
  #found: EntryAt[] = [];
  /** Its keys are the mails' file names. The newest mark counts; it stands behind the mail's line. */
  readonly marks = new Map<string, Mark>();

  readonly #wanted: Wanted;

  /** `file` is as it was when the search began: what is appended later is not seen. */
  constructor(file: { readonly path: string; readonly size: number; readonly ino: number }, wanted: Wanted) {
    this.#path = file.path;
    this.#inode = file.ino;
    this.#unread = file.size;
    this.#wanted = wanted;
    this.#stretch = wanted.nearlyAll ? minStretch : maxStretch;
  }

  /** Is there nothing left? */
  get done(): boolean {
    return this.#unread === 0 && this.#lines.length === 0 && this.#found.length === 0;
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
    const end = this.#unread;
    const from = Math.max(0, end - this.#stretch);
    const octets = this.#octets(from, end);
    // The first line of a stretch may have begun before it.
    const cut = from === 0 ? 0 : octets.indexOf(lf) + 1;
    const isLong = from > 0 && (cut === 0 || cut === octets.length);
    if (isLong && this.#stretch < maxStretch) {
      this.#stretch *= 4;
      return undefined;
    }
    this.#unread = isLong ? from : from + cut;
    this.#stretch = Math.min(maxStretch, this.#stretch * 4);
    const lines = octets.subarray(isLong ? octets.length : cut);
    this.#readMarks(lines);
    this.#lines = this.#select(lines, this.#unread);
    return timeOf(lines);
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

  #select(octets: Buffer, base: number): IndexedLine[] {
    const { prefilter, marked = false } = this.#wanted;
    if (marked && this.marks.size === 0) return [];
    return prefilter === undefined ? linesOf(octets, base) : linesWith(octets, base, prefilter);
  }
}

function linesOf(octets: Buffer, base: number): IndexedLine[] {
  const lines: IndexedLine[] = [];
  for (let start = 0; start < octets.length;) {
    const end = octets.indexOf(lf, start);
    const stop = end < 0 ? octets.length : end;
    if (stop > start) lines.push({ start: base + start, octets: octets.subarray(start, stop) });
    start = stop + 1;
  }
  return lines;
}

/** Only lines that meet the pattern; the others are not even looked for. */
function linesWith(octets: Buffer, base: number, pattern: RegExp): IndexedLine[] {
  const text = octets.toString('latin1');
  const lines: IndexedLine[] = [];
  pattern.lastIndex = 0;
  for (let hit = pattern.exec(text); hit; hit = pattern.exec(text)) {
    const line = lineAround(octets, hit.index, base);
    lines.push(line);
    pattern.lastIndex = line.start - base + line.octets.length;
  }
  // A copy: a few lines must not keep the whole stretch in memory.
  return lines.map(({ start, octets: line }) => ({ start, octets: Buffer.from(line) }));
}

function lineAround(octets: Buffer, at: number, base: number): IndexedLine {
  const start = at === 0 ? 0 : octets.lastIndexOf(lf, at - 1) + 1;
  const end = octets.indexOf(lf, at);
  return { start: base + start, octets: octets.subarray(start, end < 0 ? octets.length : end) };
}

/** Returns the time of the first line in milliseconds. */
function timeOf(octets: Buffer): number | undefined {
  const time = Date.parse(/^\{"time":"([^"]{1,40})"/.exec(octets.toString('latin1', 0, 60))?.[1] ?? '');
  return Number.isNaN(time) ? undefined : time;
}
