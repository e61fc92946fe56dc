/**
 * Sweeps up what killed processes left behind: files in tmp/, and our dot-names in /spam. Leaves finished mails alone.
 */
import fs from 'node:fs';
import path from 'node:path';
import { filesIn } from '../disk/emptying.js';
import type { Folder } from '../disk/folder.js';

const hour = 3_600_000;

/**
 * Removes files in tmp/ that nobody has written to for 36 hours (maildir(5)); returns how many. `now` in milliseconds.
 */
export async function sweepTmp(folder: Folder, now: number): Promise<number> {
  const old = (await filesIn(folder.tmp)).map((name) => path.join(folder.tmp, name)).filter(olderThan(36 * hour, now));
  for (const file of old) fs.rmSync(file, { force: true });
  return old.length;
}

/** Removes locks and half-made links older than an hour. `root` is /spam. */
export function sweepRoot(root: string, now: number): void {
  const ours = fs.readdirSync(root).filter((name) => /^\.(emptying|releasing|today|yesterday)-/.test(name));
  for (const file of ours.map((name) => path.join(root, name)).filter(olderThan(hour, now))) {
    if (fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink()) fs.rmSync(file, { force: true });
  }
}

function olderThan(age: number, now: number): (file: string) => boolean {
  return (file) => {
    const stat = fs.lstatSync(file, { throwIfNoEntry: false });
    return stat !== undefined && now - stat.mtimeMs > age;
  };
}
