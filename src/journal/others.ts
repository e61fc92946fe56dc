/**
 * Reads what other processes have written to the journal since we last looked, as far as it tells of mails that were
 * put off, for they may come again to us. After a start it reads what we wrote before, too.
 */
import fs from 'node:fs';
import { linesIn } from '../lines/backward-lines.js';
import { openToRead } from '../quarantine/disk/regular.js';
import { hourAt, type JournalHour } from './hours.js';
import { type JournalLine, parseJournalLine } from './line.js';

/** A mail that was put off, or one that came again. */
const sign = /"verdict":"deferred"|"first":"/g;
const maxOctets = 2_097_152;

export class OthersLines {
  readonly #dir: string;
  readonly #hear: (line: JournalLine) => void;
  #hour = '';
  /** Octets of the hour's file that are known. */
  #known = 0;

  constructor(dir: string, hear: (line: JournalLine) => void) {
    this.#dir = dir;
    this.#hear = hear;
  }

  /** Hears the new lines of the hour, and at its beginning those of the hour before. Broken IO throws. */
  catchUp(hour: JournalHour): void {
    if (hour.name !== this.#hour) {
      const before = hourAt(this.#dir, hour.start - 1);
      this.#read(before, before.name === this.#hour ? this.#known : 0);
      this.#hour = hour.name;
      this.#known = 0;
    }
    this.#known = this.#read(hour, this.#known);
  }

  /** What stands there until now is known. */
  skipTo(size: number): void {
    this.#known = size;
  }

  /** Returns the size of the file. */
  #read({ file }: JournalHour, from: number): number {
    const size = fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size <= from) return size;
    const fd = openToRead(file);
    if (fd === undefined) return size;
    try {
      const start = Math.max(from, size - maxOctets);
      const octets = Buffer.allocUnsafe(size - start);
      const read = octets.subarray(0, fs.readSync(fd, octets, 0, octets.length, start));
      for (const { octets: line } of linesIn({ octets: read, start }, sign)) {
        const heard = parseJournalLine(line.toString());
        if (heard) this.#hear(heard);
      }
      return size;
    } finally {
      fs.closeSync(fd);
    }
  }
}
