/**
 * Where the journal's lines are: `YYYY-MM-DD/HH.ndjson` below its folder, by the hour (UTC) in which they were
 * written. Beside each stand its filter, `HH.bloom`, and its sums, `HH.sums`. Leaves what is in the files to others.
 */
import fs from 'node:fs';
import path from 'node:path';
import { codeOf } from '../quarantine/disk/durable.js';

export interface JournalHour {
  /** `2026-11-28/21` */
  readonly name: string;
  readonly file: string;
  readonly filter: string;
  /** Its first millisecond. */
  readonly start: number;
}

/** The sums of an hour (sums/sums-file.ts). */
export const sumsPath = ({ file }: JournalHour): string => file.replace(/\.ndjson$/, '.sums');

export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

/** A line may stand in an hour behind that of its beginning, or before it when the clock was set back meanwhile. */
export const graceMs = 2 * hourMs;

export function hourAt(dir: string, time: number): JournalHour {
  const text = new Date(time).toISOString();
  return hourOf(dir, text.slice(0, 10), text.slice(11, 13));
}

function hourOf(dir: string, day: string, hour: string): JournalHour {
  const place = path.join(dir, day, hour);
  return {
    name: `${day}/${hour}`,
    file: `${place}.ndjson`,
    filter: `${place}.bloom`,
    start: Date.parse(`${day}T${hour}:00:00Z`),
  };
}

/** The names of the days that there are, newest first. */
export const daysOf = (dir: string): readonly string[] =>
  namesIn(dir)
    .filter((name) => /^\d{4}-\d\d-\d\d$/.test(name) && !Number.isNaN(Date.parse(name)))
    .toSorted()
    .toReversed();

/** The hours of a day, newest first; none where the day has been removed meanwhile. */
export const hoursOf = (dir: string, day: string): readonly JournalHour[] =>
  namesIn(path.join(dir, day))
    .filter((name) => /^(?:[01]\d|2[0-3])\.ndjson$/.test(name))
    .toSorted()
    .toReversed()
    .map((name) => hourOf(dir, day, name.slice(0, 2)));

function namesIn(dir: string): readonly string[] {
  try {
    return fs.readdirSync(dir);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return [];
    throw error;
  }
}

/** The journal's folder in the state folder. */
export const journalDir = (state: string): string => path.join(state, 'journal');
