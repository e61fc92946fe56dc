/**
 * Appends to an index that many processes append to: one write a call, shared syncs, torn ends mended. Leaves what a
 * line says to index-entry.ts.
 *
 * The descriptor is open while an archive needs it and no longer (our choice): opening costs 5 µs beside a sync of 200,
 * while one that stays open for writing keeps the operator from `mount -o remount,ro` and `umount` (EBUSY).
 */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { codeOf, ioError, syncFile, syncFolder } from './durable.js';
import type { Folder } from './folder.js';
import { groupSync } from './group-sync.js';
import { openToWrite } from './regular.js';
import { blank, isTorn, removeFragment, tornEnd } from './torn-line.js';

interface OpenIndex {
  readonly fd: number;
  readonly inode: number;
  readonly sync: () => Promise<void>;
  users: number;
}

export interface Indexes {
  /**
   * Resolves when the lines are on disk in the file that bears the index's name, and `beside`, which may take its time
   * meanwhile, has succeeded. Throws when one of them has not: then the lines have been taken out again as far as the
   * disk allows, and `beside` has ended.
   */
  append(folder: Folder, lines: Buffer, beside?: Promise<void>): Promise<void>;
  /** Mends a torn end, and tells whether there was one. */
  mend(folder: Folder): Promise<boolean>;
}

export function openIndexes(): Indexes {
  const open = new Map<string, OpenIndex>();

  const acquire = (folder: Folder): OpenIndex => {
    const known = open.get(folder.index);
    // An operator may have removed or replaced the file meanwhile.
    const index = known && inodeAt(folder.index) === known.inode ? known : openIndex(folder);
    open.set(folder.index, index);
    index.users++;
    return index;
  };

  const release = (folder: Folder, index: OpenIndex): void => {
    index.users--;
    if (index.users > 0) return;
    if (open.get(folder.index) === index) open.delete(folder.index);
    fs.closeSync(index.fd);
  };

  const using = async <T>(folder: Folder, work: (index: OpenIndex) => Promise<T>): Promise<T> => {
    const index = acquire(folder);
    try {
      return await work(index);
    } finally {
      release(folder, index);
    }
  };

  return {
    async append(folder, lines, beside = Promise.resolve()) {
      // When the append throws first, a failure of `beside` must not become an unhandled rejection.
      const ended = beside.catch(() => undefined);
      try {
        await using(folder, (index) => appendTo({ index, folder, lines, beside }));
      } finally {
        await ended;
      }
    },
    mend: (folder) => using(folder, (index) => mend(index, folder)),
  };
}

const { O_RDWR, O_APPEND, O_CREAT } = fs.constants;

/** They make the index where it is missing. */
export const indexFlags = O_RDWR | O_APPEND | O_CREAT;

function openIndex(folder: Folder): OpenIndex {
  const fd = openToWrite(folder.index, indexFlags);
  const sync = groupSync(() => syncFile(fd, folder.index));
  return { fd, inode: fs.fstatSync(fd).ino, sync, users: 0 };
}

const inodeAt = (path: string): number | undefined => fs.lstatSync(path, { throwIfNoEntry: false })?.ino;

interface Append {
  readonly index: OpenIndex;
  readonly folder: Folder;
  readonly lines: Buffer;
  readonly beside: Promise<void>;
}

async function appendTo({ index, folder, lines, beside }: Append): Promise<void> {
  await mend(index, folder);
  const before = await appendPatiently({ index, folder, lines, beside });
  try {
    await all([index.sync(), before === 0 ? syncFolder(folder.path) : Promise.resolve(), beside]);
  } catch (error) {
    removeFragment({ path: folder.index, fragment: lines, from: before });
    throw error;
  }
  if (inodeAt(folder.index) !== index.inode) throw ioError('ENOENT', `index was removed '${folder.index}'`);
}

/** On a full disk the mails that fail beside this one soon make room, so its line gets a second try. */
async function appendPatiently({ index, folder, lines, beside }: Append): Promise<number> {
  try {
    return appendNow(index, folder, lines);
  } catch (error) {
    if (codeOf(error) !== 'ENOSPC') throw error;
    await beside;
    return appendNow(index, folder, lines);
  }
}

/** When one fails the others are waited for. */
async function all(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

/** Returns how long the file was before. */
function appendNow(index: OpenIndex, folder: Folder, lines: Buffer): number {
  const before = fs.fstatSync(index.fd).size;
  // The end is torn although it was mended: someone writes there without pause. No line is glued to that.
  const octets = isTorn(index.fd) ? Buffer.concat([Buffer.from('\n'), lines]) : lines;
  const written = fs.writeSync(index.fd, octets);
  if (written === octets.length) return before;
  removeFragment({ path: folder.index, fragment: octets.subarray(0, written), from: before });
  throw ioError('ENOSPC', `only ${written} of ${octets.length} octets could be written '${folder.index}'`);
}

/**
 * A file that does not end in a newline is in the middle of a write by another process, or that process was killed.
 * Half a line that is still there unchanged after a moment is overwritten with newlines in place, not cut off: whatever
 * someone appends at the same time stays whole. Readers skip empty lines.
 */
async function mend(index: OpenIndex, folder: Folder): Promise<boolean> {
  if (!isTorn(index.fd)) return false;
  const seen = tornEnd(index.fd);
  await delay(100);
  const now = tornEnd(index.fd);
  if (seen.start !== now.start || !seen.octets.equals(now.octets) || now.octets.length === 0) return false;
  if (now.kind === 'fragment') blank(folder.index, now.start, now.octets.length);
  else fs.writeSync(index.fd, '\n');
  return true;
}
