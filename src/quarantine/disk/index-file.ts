/**
 * Appends to an index that many processes append to: one write a call, synced; torn ends mended. Leaves what a line
 * says to index-entry.ts.
 *
 * The descriptor is open while lines are appended and no longer (our choice): opening costs 5 µs beside a sync of 200,
 * while one that stays open for writing keeps the operator from `mount -o remount,ro` and `umount` (EBUSY).
 */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { allOf, codeOf, ioError, syncFile, syncFolder } from './durable.js';
import type { Folder } from './folder.js';
import { openToWrite } from './regular.js';
import { blank, removeFragment, tornEnd, wholeSize } from './torn-line.js';

const { O_RDWR, O_APPEND, O_CREAT } = fs.constants;

/** They make the index where it is missing. */
export const indexFlags = O_RDWR | O_APPEND | O_CREAT;

/**
 * Resolves when the lines are on disk in the file that bears the index's name, and `folders` are synced as well. Throws
 * when something of that has failed: then the lines have been taken out again as far as the disk allows.
 */
export const appendLines = (folder: Folder, lines: Buffer, folders: readonly string[] = []): Promise<void> =>
  withIndex(folder, (fd) => append({ fd, folder, lines, folders }));

/** Mends a torn end, and tells whether there was one. */
export const mendIndex = (folder: Folder): Promise<boolean> =>
  withIndex(folder, async (fd) => wholeSize(fd) === undefined && mend(fd, folder));

async function withIndex<T>(folder: Folder, work: (fd: number) => Promise<T>): Promise<T> {
  const fd = openToWrite(folder.index, indexFlags);
  try {
    return await work(fd);
  } finally {
    fs.closeSync(fd);
  }
}

interface Append {
  readonly fd: number;
  readonly folder: Folder;
  readonly lines: Buffer;
  readonly folders: readonly string[];
}

async function append({ fd, folder, lines, folders }: Append): Promise<void> {
  let whole = wholeSize(fd);
  if (whole === undefined) {
    await mend(fd, folder);
    whole = wholeSize(fd);
  }
  let before: number;
  try {
    before = write({ fd, folder, lines, whole });
  } catch (error) {
    if (codeOf(error) !== 'ENOSPC') throw error;
    // The mails that fail beside these soon make room, so their lines get a second try.
    await allOf(folders.map(syncFolder));
    before = write({ fd, folder, lines, whole: wholeSize(fd) });
  }
  // The syncs begin when all is written: one commit of the file system's journal then has it all.
  const changed = before === 0 ? [...folders, folder.path] : folders;
  let from = before;
  try {
    await allOf([syncFile(fd, folder.index), ...changed.map(syncFolder)]);
    // An operator may have removed the file meanwhile, or replaced it by a copy that has some of our lines.
    const named = fs.lstatSync(folder.index, { throwIfNoEntry: false });
    if (named?.ino === fs.fstatSync(fd).ino) return;
    from = Math.min(before, Math.max(0, (named?.size ?? 0) - endOfCopy));
    throw ioError('ENOENT', `index was removed '${folder.index}'`);
  } catch (error) {
    for (const line of eachOf(lines)) removeFragment({ path: folder.index, fragment: line, from });
    throw error;
  }
}

function* eachOf(lines: Buffer): Generator<Buffer> {
  let begin = 0;
  for (let lf = lines.indexOf('\n'); lf >= 0; lf = lines.indexOf('\n', begin)) {
    yield lines.subarray(begin, lf + 1);
    begin = lf + 1;
  }
}

/** Octets at the end of a shortened copy among which our lines are: they were the index's last a moment ago. */
const endOfCopy = 1_048_576;

interface Writing extends Pick<Append, 'fd' | 'folder' | 'lines'> {
  /** How long the file is; undefined where its end is torn. */
  readonly whole: number | undefined;
}

/** Returns how long the file was before. */
function write({ fd, folder, lines, whole }: Writing): number {
  // Where the end is torn although it was mended someone writes there without pause. No line is glued to that.
  const octets = whole === undefined ? Buffer.concat([Buffer.from('\n'), lines]) : lines;
  const before = whole ?? fs.fstatSync(fd).size;
  const written = fs.writeSync(fd, octets);
  if (written === octets.length) return before;
  removeFragment({ path: folder.index, fragment: octets.subarray(0, written), from: before });
  throw ioError('ENOSPC', `only ${written} of ${octets.length} octets could be written '${folder.index}'`);
}

/**
 * A file that does not end in a newline is in the middle of a write by another process, or that process was killed.
 * Half a line that is still there unchanged after a moment is overwritten with newlines in place, not cut off: whatever
 * someone appends at the same time stays whole. Readers skip empty lines.
 */
async function mend(fd: number, folder: Folder): Promise<boolean> {
  const seen = tornEnd(fd);
  await delay(100);
  const now = tornEnd(fd);
  if (seen.start !== now.start || !seen.octets.equals(now.octets) || now.octets.length === 0) return false;
  if (now.kind === 'fragment') blank(folder.index, now.start, now.octets.length);
  else fs.writeSync(fd, '\n');
  return true;
}
