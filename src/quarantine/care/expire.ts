/**
 * Removes what is too old, then, oldest day first, what is too much (for its domain, for all), and sets the links. Only
 * what looks like ours goes: mails and index in YDAY/DOMAIN/{tmp,new,cur}, never through a symbolic link. Never touches
 * a day that is being written to.
 */
import fs from 'node:fs';
import path from 'node:path';
import { errorText } from '../../mail/error-text.js';
import { ydayOf } from '../disk/day.js';
import { codeOf } from '../disk/durable.js';
import { emptyFolder, entriesIn, folderTime, newestMail } from '../disk/emptying.js';
import type { Folder } from '../disk/folder.js';
import { allFolders, domainIn, ydayIn } from './folders.js';
import { type KeepingOptions, KeepingLimits } from './keeping-limits.js';
import { sweepRoot, sweepTmp } from './leftovers.js';
import { type SizedFolder, sizedFolder } from './sized-folders.js';
import { setLinks } from '../disk/links.js';
import { type Lock, takeLock } from '../disk/lock.js';
import { emptyingLock } from '../keep/yearly.js';

export interface ExpireOptions extends KeepingOptions {
  /** /spam */
  readonly root: string;
  /** Octets; 0: no limit. */
  readonly expireOctets: number;
  readonly now: Date;
  /** It is told how many folders have been looked at, of how many. */
  readonly progress?: (done: number, all: number) => void;
}

export interface ExpireResult {
  /** They are the folders that are gone, as `YDAY/DOMAIN`. */
  readonly removed: readonly string[];
  /** They say for the log what could not be done, with the path. */
  readonly problems: readonly string[];
}

const hour = 3_600_000;

export async function expire(options: ExpireOptions): Promise<ExpireResult> {
  const run: ExpireRun = {
    options,
    now: options.now.getTime(),
    limits: new KeepingLimits(options),
    removed: [],
    problems: [],
  };
  await noting(run, async () => {
    sweepRoot(options.root, run.now);
    const folders = idleFolders(options);
    for (const [i, folder] of folders.entries()) {
      options.progress?.(i, folders.length);
      await noting(run, () => expireOld(folder, run));
    }
    await expireBySize(run);
    setLinks(options.root, options.now);
  });
  return { removed: run.removed, problems: [...run.limits.problems, ...run.problems] };
}

interface ExpireRun {
  readonly options: ExpireOptions;
  readonly now: number;
  readonly limits: KeepingLimits;
  readonly removed: string[];
  readonly problems: string[];
}

/** One broken folder does not keep the others. */
async function noting(run: ExpireRun, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    run.problems.push(errorText(error));
  }
}

async function expireOld(folder: Folder, run: ExpireRun): Promise<void> {
  await sweepTmp(folder, run.now);
  const days = run.limits.days(domainIn(folder));
  if (days === 0) return;
  const before = run.now - days * 24 * hour;
  // The index first: it is one look, while the mails may be many.
  if ((await folderTime(folder)) < before && ((await newestMail(folder)) ?? 0) < before)
    await remove(folder, before, run);
}

/**
 * First each domain that has a limit of its own, then all together: what one may have is no reason to take from
 * another.
 */
async function expireBySize(run: ExpireRun): Promise<void> {
  const { root, expireOctets } = run.options;
  const wanted = allFolders(root).filter((folder) => expireOctets > 0 || run.limits.octets(domainIn(folder)) > 0);
  const sized: SizedFolder[] = [];
  for (const [i, folder] of wanted.entries()) {
    run.options.progress?.(i, wanted.length);
    await noting(run, async () => void sized.push(await sizedFolder(folder)));
  }
  sized.sort((a, b) => a.time - b.time);
  for (const domain of new Set(wanted.map(domainIn))) {
    const maxOctets = run.limits.octets(domain);
    if (maxOctets > 0) {
      const ofDomain = sized.filter(({ folder }) => domainIn(folder) === domain);
      await removeUntil(maxOctets, ofDomain, run);
    }
  }
  if (expireOctets > 0) {
    const left = sized.filter(({ folder }) => fs.existsSync(folder.path));
    await removeUntil(expireOctets, left, run);
  }
}

/** Removes the oldest first. */
async function removeUntil(maxOctets: number, days: readonly SizedFolder[], run: ExpireRun): Promise<void> {
  const busy = busyDays(run.options.now);
  let total = days.reduce((sum, { size }) => sum + size, 0);
  for (const { folder, size } of days) {
    if (total <= maxOctets) return;
    if (busy.has(ydayIn(folder))) continue;
    await noting(run, () => remove(folder, run.now - hour, run));
    if (!fs.existsSync(folder.path)) total -= size;
  }
}

async function remove(folder: Folder, before: number, run: ExpireRun): Promise<void> {
  const lock = await lockFor(run.options.root, folder);
  if (lock === 'busy') return;
  try {
    const empty = await emptyFolder(folder, { before, goOn: () => lock === 'none' || lock.touch() });
    if (empty && (await removeFolders(folder))) run.removed.push(`${ydayIn(folder)}/${path.basename(folder.path)}`);
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

/** Removes them from the inside out; a folder that holds a file that is not ours stays. */
async function removeFolders(folder: Folder): Promise<boolean> {
  for (const dir of [folder.cur, folder.tmp, folder.new]) if (!removeEmpty(dir)) return false;
  for (const link of await indexLinksIn(folder)) fs.rmSync(link, { force: true });
  const gone = removeEmpty(folder.path);
  if (gone) removeEmpty(path.dirname(folder.path));
  return gone;
}

/** Finds the links that lead to the index beside them, whatever name `index_link` gives or gave them. */
async function indexLinksIn({ path: dir }: Folder): Promise<readonly string[]> {
  const links = [];
  for await (const entry of entriesIn(dir)) {
    const link = path.join(dir, entry.name);
    if (entry.isSymbolicLink() && fs.readlinkSync(link) === 'index') links.push(link);
  }
  return links;
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

/** Returns today, and around midnight the day beside it, which mails under way may still belong to. */
function busyDays(now: Date): ReadonlySet<string> {
  const times = [-2 * hour, 0, 2 * hour].map((shift) => new Date(now.getTime() + shift));
  return new Set(times.map((time) => String(ydayOf(time))));
}

function idleFolders({ root, now }: ExpireOptions): readonly Folder[] {
  const busy = busyDays(now);
  return allFolders(root).filter((folder) => !busy.has(ydayIn(folder)));
}
