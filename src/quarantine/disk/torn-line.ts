/**
 * Finds half lines at the end of an index and overwrites them in place with newlines. Leaves when to do so to
 * index-file.ts and check.ts.
 */
import fs from 'node:fs';
import { lineStart, maxLine } from '../../lines/json-line.js';
import { parseEntry } from './index-entry.js';
import { parseMark } from './mark.js';
import { openToRead, openToWrite } from './regular.js';

/** It is what stands behind the last newline. */
export interface TornEnd {
  /** `whole`: only the newline is missing. `foreign`: longer than any line of ours. */
  readonly kind: 'fragment' | 'whole' | 'foreign';
  readonly start: number;
  readonly octets: Buffer;
}

const lf = 0x0a;

/** Looks at the end, about 100 µs in all: the file grows page by page, so a write under way shows as a torn end. */
const looks = 40;

/**
 * How long the file is, where it ends in a newline; undefined where it does not, for longer than another process takes
 * to write its line.
 */
export function wholeSize(fd: number): number | undefined {
  for (let look = 0; look < looks; look++) {
    const { size } = fs.fstatSync(fd);
    if (size === 0 || fs.readSync(fd, last, 0, 1, size - 1) === 0 || last[0] === lf) return size;
  }
  return undefined;
}

const last = Buffer.alloc(1);

export function tornEnd(fd: number): TornEnd {
  const { size } = fs.fstatSync(fd);
  const from = Math.max(0, size - 4 * maxLine);
  const end = read(fd, from, size - from);
  const cut = end.lastIndexOf(lf) + 1;
  const octets = end.subarray(cut);
  if (cut === 0 && from > 0) return { kind: 'foreign', start: from, octets };
  const text = octets.toString();
  return { kind: (parseEntry(text) ?? parseMark(text)) ? 'whole' : 'fragment', start: from + cut, octets };
}

function read(fd: number, start: number, length: number): Buffer {
  const octets = Buffer.alloc(length);
  return octets.subarray(0, fs.readSync(fd, octets, 0, length, start));
}

/**
 * Overwrites with newlines, through a descriptor that does not append (pwrite(2) on one that does ignores the offset).
 */
export function blank(path: string, start: number, length: number): void {
  const fd = openToWrite(path, fs.constants.O_RDWR);
  try {
    fs.writeSync(fd, Buffer.alloc(length, lf), 0, length, start);
  } finally {
    fs.closeSync(fd);
  }
}

export interface Fragment {
  readonly path: string;
  /** It is what was written: a whole line or its beginning. */
  readonly fragment: Buffer;
  /** No octet of it stands before this. */
  readonly from: number;
}

/** Blanks what could be written of our lines before the disk was full or broke. Does what it can: never throws. */
export function removeFragment({ path, fragment, from }: Fragment): void {
  try {
    const start = placeOf({ path, fragment, from });
    if (start !== undefined) blank(path, start, fragment.length);
  } catch {
    // Readers skip half a line, and the next who opens the index mends it.
  }
}

/** Others may have appended before and behind it; a line of theirs that only begins alike goes on differently. */
function placeOf({ path, fragment, from }: Fragment): number | undefined {
  const tail = readFrom(path, from);
  for (let at = tail.indexOf(fragment); at >= 0; at = tail.indexOf(fragment, at + 1)) {
    const behind = tail.subarray(at + fragment.length, at + fragment.length + lineStart.length);
    const ended =
      fragment.at(-1) === lf || behind.length === 0 || behind[0] === lf || behind.equals(Buffer.from(lineStart));
    if (ended) return from + at;
  }
  return undefined;
}

function readFrom(path: string, start: number): Buffer {
  const fd = openToRead(path);
  if (fd === undefined) return Buffer.alloc(0);
  try {
    return read(fd, start, Math.max(0, fs.fstatSync(fd).size - start));
  } finally {
    fs.closeSync(fd);
  }
}
