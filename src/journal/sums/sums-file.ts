/**
 * The sums of an hour that is over, in a file beside its lines: `HH.sums`. Made once; one that is torn, or older than
 * the lines, is made anew. Its first line says of which octets it is, and how many octets follow.
 */
import fs from 'node:fs';
import { setImmediate as breathe } from 'node:timers/promises';
import { codeOf } from '../../quarantine/disk/durable.js';
import { openToRead } from '../../quarantine/disk/regular.js';
import { type JournalHour, sumsPath } from '../hours.js';
import { itemsIn } from '../reader.js';
import { HourCount, type HourSums, readSums, sumsText } from './hour-sums.js';

/** undefined where there are none, or not of the lines as they are now. */
export function savedSums(hour: JournalHour): HourSums | undefined {
  const fd = openIfReadable(sumsPath(hour));
  if (fd === undefined) return undefined;
  try {
    const [head = '', ...rest] = fs.readFileSync(fd, 'utf8').split('\n');
    const text = rest.join('\n');
    return head === headOf(hour, text) ? readSums(text) : undefined;
  } finally {
    fs.closeSync(fd);
  }
}

/** What another user has left is none of ours, and is replaced. */
function openIfReadable(path: string): number | undefined {
  try {
    return openToRead(path);
  } catch (error) {
    if (codeOf(error) === 'EACCES') return undefined;
    throw error;
  }
}

/** Lines that are masked or erased are written over in their place: the time tells that. */
function headOf({ file }: JournalHour, text: string): string {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return `sums 1 ${stat?.size ?? 0} ${stat?.mtimeMs ?? 0} ${Buffer.byteLength(text)}`;
}

/** Counts the hour and keeps it where that can be written; a file that is whole replaces the one before. */
export async function makeSums(hour: JournalHour): Promise<HourSums> {
  const sums = await countHour(hour);
  const text = sumsText(sums);
  const made = `${sumsPath(hour)}.${process.pid}`;
  try {
    await fs.promises.writeFile(made, `${headOf(hour, text)}\n${text}`, { mode: 0o640 });
    await fs.promises.rename(made, sumsPath(hour));
  } catch {
    fs.rmSync(made, { force: true }); // then it is counted anew each time
  }
  return sums;
}

/** Counts the hour, and writes nothing. */
export async function countHour(hour: JournalHour): Promise<HourSums> {
  const count = new HourCount();
  await countLines(hour, 0, count);
  return count.sums;
}

const stretch = 131_072;

/** Counts whole lines from there on; returns where the next one will begin. */
export async function countLines({ file }: JournalHour, from: number, count: HourCount): Promise<number> {
  const fd = openToRead(file);
  if (fd === undefined) return from;
  let next = from;
  try {
    for (const { size } = fs.fstatSync(fd); next < size; await breathe()) {
      const octets = Buffer.allocUnsafe(Math.min(stretch, size - next));
      const read = octets.subarray(0, fs.readSync(fd, octets, 0, octets.length, next));
      const end = read.lastIndexOf(0x0a) + 1;
      // What is longer than any line is none, such as a block that a crash has left empty.
      if (end === 0 && read.length < stretch) break;
      for (const { line } of itemsIn({ octets: read.subarray(0, end), start: next })) count.add(line);
      next += end === 0 ? read.length : end;
    }
  } finally {
    fs.closeSync(fd);
  }
  return next;
}
