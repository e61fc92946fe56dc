/**
 * Makes the folder of a day and domain fit for mail: made, on disk, and free of last year's. Once a day, domain and process;
 * the result is remembered until someone finds the folder gone.
 */
import fs from 'node:fs';
import path from 'node:path';
import { dateKey, ydayOf } from '../disk/day.js';
import { codeOf, syncFolder } from '../disk/durable.js';
import { type Folder, folderAt } from '../disk/folder.js';
import { groupSync } from '../disk/group-sync.js';
import { setLinks } from '../disk/links.js';
import { emptyIfStale } from './yearly.js';

export interface PreparedFolder extends Folder {
  /** Resolves when all names that are in new/ by now are on disk. */
  readonly syncNew: () => Promise<void>;
}

export interface PreparedFolders {
  /** The folder for a mail of that time; throws when it cannot be made. */
  at(time: Date, domain: string): Promise<PreparedFolder>;
  /** Makes it anew the next time. */
  forget(time: Date, domain: string): void;
}

/** Folders remembered; forgetting one costs a few syncs. */
const maxRemembered = 4_096;

/** `root` is /spam. */
export function preparedFolders(root: string, now: () => Date): PreparedFolders {
  const remembered = new Map<string, Promise<PreparedFolder>>();
  const keyOf = (time: Date, domain: string): string => `${dateKey(time)}/${domain}`;
  return {
    at(time, domain) {
      const key = keyOf(time, domain);
      const known = remembered.get(key);
      if (known) return known;
      const folder = prepare({ root, domain, time, now: now() });
      if (remembered.size >= maxRemembered) remembered.clear();
      remembered.set(key, folder);
      folder.catch(() => remembered.delete(key));
      return folder;
    },
    forget(time, domain) {
      remembered.delete(keyOf(time, domain));
    },
  };
}

interface FolderToPrepare {
  readonly root: string;
  readonly domain: string;
  readonly time: Date;
  readonly now: Date;
}

async function prepare({ root, domain, time, now }: FolderToPrepare): Promise<PreparedFolder> {
  const day = path.join(root, String(ydayOf(time)));
  const folder = folderAt(path.join(day, domain));
  for (const dir of [root, day, folder.path, folder.new, folder.tmp, folder.cur]) makeFolder(dir);
  await emptyIfStale(root, folder, Math.min(now.getTime(), time.getTime()));
  fs.closeSync(fs.openSync(folder.index, 'a', 0o660));
  attempt(() => linkIndex(folder));
  // Whoever made the names above, their being on disk is this process's promise too.
  for (const dir of [folder.path, day, root]) await syncFolder(dir);
  attempt(() => setLinks(root, now));
  return { ...folder, syncNew: groupSync(() => syncFolder(folder.new)) };
}

function makeFolder(dir: string): void {
  try {
    fs.mkdirSync(dir, 0o770);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/** For tools that look for the index under that name. */
function linkIndex(folder: Folder): void {
  const link = path.join(folder.path, 'index.json');
  if (!fs.lstatSync(link, { throwIfNoEntry: false })) fs.symlinkSync('index', link);
}

/** The links are a convenience: no mail is turned away because one could not be made. */
function attempt(convenience: () => void): void {
  try {
    convenience();
  } catch {
    // The next day's first mail and `expire` try again.
  }
}
