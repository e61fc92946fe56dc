/**
 * What the journal needs once an hour: days that are too old are removed, lines that are old enough are masked, and
 * hours that are over get their filter. Several processes may do so at once; one of them does. Mail goes on meanwhile:
 * the work is done in small pieces.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { codeOf } from '../quarantine/disk/durable.js';
import { underLock } from '../quarantine/disk/lock.js';
import { openToRead } from '../quarantine/disk/regular.js';
import { filterOf, wholeFilter } from './filter.js';
import { dayMs, daysOf, graceMs, hourMs, hoursOf, type JournalHour, sumsPath } from './hours.js';
import { maskedLine, rewriteHour } from './rewrite.js';
import { makeSums } from './sums/sums-file.js';
import { addTokens } from './tokens.js';
import { errorText } from '../mail/error-text.js';

export interface CareOptions {
  readonly dir: string;
  /** Milliseconds; older days are removed. 0: all. */
  readonly keepMs: number;
  /** Milliseconds; older lines are masked. 0: none. */
  readonly maskMs: number;
  readonly now: number;
}

export interface CareResult {
  readonly removed: readonly string[];
  readonly masked: number;
  readonly filters: number;
  readonly problems: readonly string[];
}

const nothing: CareResult = { removed: [], masked: 0, filters: 0, problems: [] };

/** Never rejects. */
export async function careForJournal(options: CareOptions): Promise<CareResult> {
  try {
    if (!fs.existsSync(options.dir)) return nothing;
    return (await underLock(path.join(options.dir, '.care'), () => care(options))) ?? nothing;
  } catch (error) {
    return { ...nothing, problems: [errorText(error)] };
  }
}

async function care(options: CareOptions): Promise<CareResult> {
  const { dir, maskMs, now } = options;
  const problems: string[] = [];
  const removed = await removeOldDays(options, problems);
  let masked = 0;
  let filters = 0;
  for (const day of daysOf(dir))
    for (const hour of hoursOf(dir, day)) {
      if (hour.start + hourMs + overMs > now) continue;
      const isOld = maskMs > 0 && hour.start + hourMs + graceMs < now - maskMs;
      try {
        const head = knownFilter(hour);
        const isDone = head && head.size === fs.statSync(hour.file).size && (head.masked || !isOld);
        if (!isDone) {
          if (isOld && !head?.masked) masked += rewriteHour(hour, maskedLine);
          await writeFilter(hour, isOld);
          filters++;
        }
        if (!fs.existsSync(sumsPath(hour))) await makeSums(hour);
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') problems.push(errorText(error));
      }
      await breathe();
    }
  return { removed, masked, filters, problems };
}

/** Everybody has written what was gathered in the hour. */
const overMs = 60_000;

/**
 * Removes days that are too old. Where all of them are, the clock may be ahead, so nothing is removed until there is a
 * newer one.
 */
async function removeOldDays({ dir, keepMs, now }: CareOptions, problems: string[]): Promise<readonly string[]> {
  const days = daysOf(dir);
  const isOld = (day: string): boolean => keepMs === 0 || Date.parse(day) + dayMs <= now - keepMs;
  if (keepMs > 0 && days.every(isOld)) return [];
  const removed: string[] = [];
  for (const day of days.filter(isOld)) {
    try {
      await fs.promises.rm(path.join(dir, day), { recursive: true });
      removed.push(day);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') problems.push(errorText(error));
    }
  }
  return removed;
}

/** Filters that were whole when this process looked last, by place and time. */
const seen = new Map<string, ReturnType<typeof wholeFilter>>();

function knownFilter(hour: JournalHour): ReturnType<typeof wholeFilter> {
  const stat = fs.statSync(hour.filter, { throwIfNoEntry: false });
  if (!stat) return undefined;
  const key = `${hour.filter} ${stat.ino} ${stat.mtimeMs}`;
  if (!seen.has(key)) {
    if (seen.size > 10_000) seen.clear();
    seen.set(key, wholeFilter(hour));
  }
  return seen.get(key);
}

const stretch = 131_072;

/** Writes the filter of an hour, which replaces the earlier one once it is whole on disk. */
export async function writeFilter(hour: JournalHour, masked: boolean): Promise<void> {
  const fd = openToRead(hour.file);
  if (fd === undefined) return;
  const tokens = new Set<string>();
  const { size } = fs.fstatSync(fd);
  try {
    for (let from = 0; from < size;) {
      const octets = Buffer.allocUnsafe(Math.min(stretch, size - from));
      const read = octets.subarray(0, fs.readSync(fd, octets, 0, octets.length, from));
      const end = from + read.length >= size ? read.length : read.lastIndexOf(0x0a) + 1;
      if (end === 0) break;
      addTokens(read.subarray(0, end), tokens);
      from += end;
      await breathe();
    }
  } finally {
    fs.closeSync(fd);
  }
  await replaceFile(hour.filter, filterOf(tokens, { size, masked }));
}

async function replaceFile(file: string, octets: Buffer): Promise<void> {
  const made = `${file}.${process.pid}`;
  try {
    await fs.promises.writeFile(made, octets, { flush: true, mode: 0o640 });
    await fs.promises.rename(made, file);
  } catch (error) {
    fs.rmSync(made, { force: true });
    throw error;
  }
}
