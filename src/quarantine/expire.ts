/**
 * Removes what is too old, then, oldest day first, what is too much, and sets the links. Only what looks like ours goes: mails
 * and index in YDAY/DOMAIN/{tmp,new,cur}, never through a symbolic link. Never touches a day that is being written to.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { isYday, ydayOf } from './day.js';
import { codeOf } from './durable.js';
import { emptyFolder, filesIn, folderTime, newestMail } from './emptying.js';
import { type Folder, folderAt } from './folder.js';
import { sweepRoot, sweepTmp } from './leftovers.js';
import { setLinks } from './links.js';
import { type Lock, takeLock } from './lock.js';
import { emptyingLock } from './yearly.js';

export interface ExpireOptions {
  /** /spam */
  readonly root: string;
  readonly expireDays: number;
  /** Octets; 0: no limit. */
  readonly expireBytes: number;
  readonly now: Date;
}

export interface ExpireResult {
  /** `YDAY/DOMAIN` of each folder that is gone. */
  readonly removed: readonly string[];
  /** For the log: what could not be done, with the path. */
  readonly problems: readonly string[];
}

const hour = 3_600_000;

export async function expire(options: ExpireOptions): Promise<ExpireResult> {
  const run: Run = { options, now: options.now.getTime(), removed: [], problems: [] };
  await noting(run, async () => {
    sweepRoot(options.root, run.now);
    for (const folder of idleFolders(options)) await noting(run, () => expireOld(folder, run));
    if (options.expireBytes > 0) await expireBySize(run);
    setLinks(options.root, options.now);
  });
  return { removed: run.removed, problems: run.problems };
}

interface Run {
  readonly options: ExpireOptions;
  readonly now: number;
  readonly removed: string[];
  readonly problems: string[];
}

/** One broken folder does not keep the others. */
async function noting(run: Run, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    run.problems.push(error instanceof Error ? error.message : String(error));
  }
}

async function expireOld(folder: Folder, run: Run): Promise<void> {
  const before = run.now - run.options.expireDays * 24 * hour;
  await sweepTmp(folder, run.now);
  // The index first: it is one look, while the mails may be many.
  if ((await folderTime(folder)) < before && ((await newestMail(folder)) ?? 0) < before)
    await remove(folder, before, run);
}

async function expireBySize(run: Run): Promise<void> {
  const { root, expireBytes } = run.options;
  const days = [];
  let total = 0;
  for (const folder of allFolders(root)) {
    const size = await sizeOf(folder);
    total += size;
    days.push({ folder, size, time: await folderTime(folder) });
  }
  const busy = busyDays(run.options.now);
  const idle = days.filter(({ folder }) => !busy.has(ydayIn(folder))).sort((a, b) => a.time - b.time);
  for (const { folder, size } of idle) {
    if (total <= expireBytes) return;
    await noting(run, () => remove(folder, run.now - hour, run));
    if (!fs.existsSync(folder.path)) total -= size;
  }
}

async function remove(folder: Folder, before: number, run: Run): Promise<void> {
  const lock = await lockFor(run.options.root, folder);
  if (lock === 'busy') return;
  try {
    const empty = await emptyFolder(folder, { before, goOn: () => lock === 'none' || lock.touch() });
    if (empty && removeFolders(folder)) run.removed.push(`${ydayIn(folder)}/${path.basename(folder.path)}`);
  } finally {
    if (lock !== 'none') lock.release();
  }
}

/** A disk without a free inode has no room for the lock either, and is the one that most needs to be emptied. */
async function lockFor(root: string, folder: Folder): Promise<Lock | 'busy' | 'none'> {
  try {
    return (await takeLock(emptyingLock(root, folder), 0)) ?? 'busy';
  } catch (error) {
    if (['ENOSPC', 'EDQUOT'].includes(codeOf(error))) return 'none';
    throw error;
  }
}

/** From the inside out; what holds a file that is not ours stays. */
function removeFolders(folder: Folder): boolean {
  for (const dir of [folder.cur, folder.tmp, folder.new]) if (!removeEmpty(dir)) return false;
  const link = path.join(folder.path, 'index.json');
  if (fs.lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) fs.rmSync(link, { force: true });
  const gone = removeEmpty(folder.path);
  if (gone) removeEmpty(path.dirname(folder.path));
  return gone;
}

function removeEmpty(dir: string): boolean {
  try {
    fs.rmdirSync(dir);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true;
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(codeOf(error))) return false;
    throw error;
  }
}

/** Today's, and around midnight its neighbour's, which mails under way may still belong to. */
function busyDays(now: Date): ReadonlySet<string> {
  const times = [-2 * hour, 0, 2 * hour].map((shift) => new Date(now.getTime() + shift));
  return new Set(times.map((time) => String(ydayOf(time))));
}

function idleFolders({ root, now }: ExpireOptions): readonly Folder[] {
  const busy = busyDays(now);
  return allFolders(root).filter((folder) => !busy.has(ydayIn(folder)));
}

const ydayIn = (folder: Folder): string => path.basename(path.dirname(folder.path));

/** Real directories that look like ours. */
function allFolders(root: string): readonly Folder[] {
  return directoriesIn(root)
    .filter(isYday)
    .flatMap((yday) => directoriesIn(path.join(root, yday)).map((domain) => folderAt(path.join(root, yday, domain))))
    .filter((folder) => fs.lstatSync(folder.new, { throwIfNoEntry: false })?.isDirectory());
}

function directoriesIn(dir: string): readonly string[] {
  const entries = fs.readdirSync(dir, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name);
}

/** Octets of the mails and the index. */
async function sizeOf(folder: Folder): Promise<number> {
  let size = sizeOfFile(folder.index);
  for (const dir of [folder.new, folder.cur, folder.tmp]) {
    for (const [i, name] of (await filesIn(dir)).entries()) {
      size += sizeOfFile(path.join(dir, name));
      if (i % 256 === 255) await breathe();
    }
  }
  return size;
}

const sizeOfFile = (file: string): number => fs.lstatSync(file, { throwIfNoEntry: false })?.size ?? 0;
