/**
 * The journal as it grows, whoever of several processes writes to it: looks at the files of this hour and of the last
 * one four times a second. Leaves what is shown of a line to its callers.
 */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { openToRead } from '../quarantine/disk/regular.js';
import { hourAt, hourMs, type JournalHour } from './hours.js';
import type { JournalLine } from './line.js';
import { itemsIn } from './reader.js';

export interface FollowOptions {
  readonly dir: string;
  /** It ends then. */
  readonly signal: AbortSignal;
  /** Milliseconds, as Date.now() gives them. */
  readonly now?: () => number;
  readonly everyMs?: number;
}

const usualMs = 250;
/** A line that has no end after so many octets is none. */
const maxHeld = 1_048_576;

interface FollowedFile {
  read: number;
  /** The beginning of a line whose end has not come yet. */
  held: Buffer;
}

/** Yields lines that are written from now on. */
export async function* followJournal(options: FollowOptions): AsyncGenerator<JournalLine> {
  const { dir, signal, now = Date.now, everyMs = usualMs } = options;
  const files = new Map<string, FollowedFile>();
  const current = (): readonly JournalHour[] => [hourAt(dir, now() - hourMs), hourAt(dir, now())];
  for (const { file } of current()) files.set(file, { read: sizeOf(file), held: Buffer.alloc(0) });
  while (!signal.aborted) {
    for (const { file } of current()) {
      const followed = files.get(file) ?? { read: 0, held: Buffer.alloc(0) };
      files.set(file, followed);
      yield* grown(file, followed);
    }
    for (const [known] of files) if (files.size > 4 && !isCurrent(known, current())) files.delete(known);
    await delay(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

const isCurrent = (file: string, hours: readonly JournalHour[]): boolean => hours.some((hour) => hour.file === file);

const sizeOf = (file: string): number => fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;

function* grown(file: string, followed: FollowedFile): Generator<JournalLine> {
  if (sizeOf(file) <= followed.read) return;
  const fd = openToRead(file);
  if (fd === undefined) return;
  try {
    const octets = Buffer.allocUnsafe(fs.fstatSync(fd).size - followed.read);
    const read = octets.subarray(0, fs.readSync(fd, octets, 0, octets.length, followed.read));
    followed.read += read.length;
    const all = Buffer.concat([followed.held, read]);
    const end = all.lastIndexOf(0x0a) + 1;
    followed.held = all.length - end > maxHeld ? Buffer.alloc(0) : all.subarray(end);
    for (const { line } of itemsIn({ start: 0, octets: all.subarray(0, end) })) yield line;
  } finally {
    fs.closeSync(fd);
  }
}
