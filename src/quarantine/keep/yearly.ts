/**
 * YDAY comes round: a folder from an earlier year is emptied before it is written to again. Many processes may find
 * that out at once; one empties, the others wait. Leaves what is removed, and what never is, to emptying.ts.
 */
import fs from 'node:fs';
import path from 'node:path';
import { ioError } from '../disk/durable.js';
import { emptyFolder, folderTime } from '../disk/emptying.js';
import type { Folder } from '../disk/folder.js';
import { type Lock, takeLock } from '../disk/lock.js';

/** Our choice: half a year. A clock that is some days or months wrong makes no folder stale. */
const staleAfter = 180 * 86_400_000;

/** Milliseconds that a mail waits for another process's emptying before its client is told to come again. */
const patience = 5_000;

/** `root` is /spam; `now` in milliseconds. Throws when another process is still at it, or the disk is broken. */
export async function emptyIfStale(root: string, folder: Folder, now: number): Promise<void> {
  const before = now - staleAfter;
  if ((await folderTime(folder)) >= before) return;
  const lock = await takeLock(emptyingLock(root, folder), patience);
  if (!lock) throw busy(folder);
  try {
    if ((await folderTime(folder)) < before) await emptyUnder(lock, folder, before);
  } finally {
    lock.release();
  }
}

async function emptyUnder(lock: Lock, folder: Folder, before: number): Promise<void> {
  const empty = await emptyFolder(folder, { before, goOn: () => lock.touch() });
  if (!empty && !lock.touch()) throw busy(folder);
  // An empty folder is as old as new/ is.
  fs.utimesSync(folder.new, new Date(), new Date());
}

const busy = (folder: Folder): Error => ioError('EBUSY', `another process is emptying '${folder.path}'`);

/** `.emptying-YDAY-DOMAIN`; the longest domains share a lock with those that begin alike, which only costs time. */
export function emptyingLock(root: string, folder: Folder): string {
  const yday = path.basename(path.dirname(folder.path));
  return path.join(root, `.emptying-${yday}-${path.basename(folder.path)}`.slice(0, 200));
}
