/**
 * The days that /spam holds, newest first, and the indexes of each. Folder names have no year: it is told from today
 * and from the files.
 */
import fs from 'node:fs';
import path from 'node:path';
import { isYday, ydayOf } from '../disk/day.js';
import { codeOf } from '../disk/durable.js';
import { isDomainFolder } from '../disk/mail-ref.js';

export interface Day {
  readonly yday: string;
  /** They are the day's first millisecond and the next day's first. */
  readonly start: number;
  readonly end: number;
  /**
   * Where it is given, only indexes that were last written to before this (milliseconds) count: an earlier year left
   * them.
   */
  readonly staleBefore?: number;
}

export interface IndexFile {
  readonly yday: string;
  readonly domain: string;
  readonly path: string;
  readonly size: number;
  readonly ino: number;
  readonly mtimeMs: number;
}

/** Each day twice: as it should be, and, behind all of those, with what an earlier year has left in its folder. */
export function daysIn(root: string, now: Date): readonly Day[] {
  const ydays = namesIn(root).filter(isYday);
  const recent = ydays.map((yday) => dayOf(yday, yearOf(yday, now)));
  const stale = ydays.map((yday) => {
    const year = yearOf(yday, now);
    return { ...dayOf(yday, year - 1), staleBefore: staleBefore(dayOf(yday, year)) };
  });
  return [recent, stale].flatMap((days) => days.toSorted((a, b) => b.start - a.start));
}

/** Clocks and time zones have a day's grace. */
const staleBefore = ({ start }: Day): number => start - 86_400_000;

function yearOf(yday: string, now: Date): number {
  // Tomorrow's folder exists when a clock was ahead for a moment.
  const isThisYears = Number(yday) <= ydayOf(now) + 1;
  return now.getFullYear() - (isThisYears ? 0 : 1);
}

function dayOf(yday: string, latest: number): Day {
  let year = latest;
  // Only a leap year has a day 366.
  while (new Date(year, 0, Number(yday)).getFullYear() !== year) year--;
  const at = (day: number): number => new Date(year, 0, day).getTime();
  return { yday, start: at(Number(yday)), end: at(Number(yday) + 1) };
}

/** The indexes of a day, of one domain where it is given. A folder that vanishes meanwhile is not there. */
export function indexesOf(root: string, day: Day, domain?: string): readonly IndexFile[] {
  const folder = path.join(root, day.yday);
  const names = domain === undefined ? namesIn(folder) : [domain];
  return names.filter(isDomainFolder).flatMap((name) => indexIn(path.join(folder, name), day) ?? []);
}

function indexIn(folder: string, day: Day): IndexFile | undefined {
  const file = path.join(folder, 'index');
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile() || stat.size === 0) return undefined;
  const isStale = stat.mtimeMs < (day.staleBefore ?? staleBefore(day));
  if (isStale !== (day.staleBefore !== undefined)) return undefined;
  const { size, ino, mtimeMs } = stat;
  return { yday: day.yday, domain: path.basename(folder), path: file, size, ino, mtimeMs };
}

function namesIn(dir: string): readonly string[] {
  try {
    return fs
      .readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
