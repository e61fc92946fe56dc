/**
 * Makes the folder of a day and domain fit for mail: made, on disk, and free of last year's. Once a day, domain and
 * process; the result is remembered until someone finds the folder gone.
 */
import fs from 'node:fs';
import path from 'node:path';
import { type Eventual, after } from '../../mail/eventual.js';
import { dateKey, ydayOf } from '../disk/day.js';
import { codeOf, syncFolder } from '../disk/durable.js';
import { type Folder, folderAt } from '../disk/folder.js';
import { indexFlags } from '../disk/index-file.js';
import { setLinks } from '../disk/links.js';
import { openToWrite, requireDirectory } from '../disk/regular.js';
import { type Enter, enterInRounds } from './enter.js';
import { emptyIfStale } from './yearly.js';

export interface PreparedFolder extends Folder {
  readonly enter: Enter;
}

export interface PreparedFolders {
  /** The folder for a mail of that time; throws when it cannot be made. */
  at(time: Date, domain: string): Eventual<PreparedFolder>;
  /** Makes it anew the next time. */
  forget(time: Date, domain: string): void;
}

/** So many folders are remembered; to forget one costs a few syncs. */
const maxRemembered = 4_096;

export interface PrepareOptions {
  /** It is /spam, which may be a link that the operator has made. */
  readonly root: string;
  /** It is the name of a link to the index in each folder, for tools that look for that name; '' for none. */
  readonly indexLink: string;
  readonly now: () => Date;
}

export function preparedFolders({ root, indexLink, now }: PrepareOptions): PreparedFolders {
  const remembered = new Map<string, Eventual<PreparedFolder>>();
  const lookedAt = new Set<PreparedFolder>();
  const keyOf = (time: Date, domain: string): string => `${dateKey(time)}/${domain}`;
  // Once for all mails of a turn of the event loop.
  const stillThere = (folder: PreparedFolder): PreparedFolder => {
    if (lookedAt.has(folder)) return folder;
    requireFolders(folder);
    if (lookedAt.size === 0) setImmediate(() => lookedAt.clear());
    lookedAt.add(folder);
    return folder;
  };
  return {
    at(time, domain) {
      const key = keyOf(time, domain);
      const known = remembered.get(key);
      if (known) return after(known, stillThere);
      const folder = prepare({ root, indexLink, domain, time, now: now() });
      if (remembered.size >= maxRemembered) remembered.clear();
      remembered.set(key, folder);
      folder.then(
        (ready) => remembered.get(key) === folder && remembered.set(key, ready),
        () => remembered.delete(key),
      );
      return folder;
    },
    forget(time, domain) {
      remembered.delete(keyOf(time, domain));
    },
  };
}

interface FolderToPrepare {
  readonly root: string;
  readonly indexLink: string;
  readonly domain: string;
  readonly time: Date;
  readonly now: Date;
}

async function prepare({ root, indexLink, domain, time, now }: FolderToPrepare): Promise<PreparedFolder> {
  const day = path.join(root, String(ydayOf(time)));
  const folder = folderAt(path.join(day, domain));
  made(root, 0o770);
  const mode = fs.statSync(root).mode & permissions;
  for (const dir of [day, folder.path, folder.new, folder.tmp, folder.cur]) makeFolder(dir, mode);
  await emptyIfStale(root, folder, Math.min(now.getTime(), time.getTime()));
  fs.closeSync(openToWrite(folder.index, indexFlags));
  attempt(() => linkIndex(folder, indexLink));
  // Another process may have made these folders; this one promises, too, that they are on disk.
  for (const dir of [folder.path, day, root]) await syncFolder(dir);
  attempt(() => setLinks(root, now));
  return { ...folder, enter: enterInRounds(folder) };
}

/** Folders take these bits from /spam: who may read, write and enter, and which group new files have. */
const permissions = 0o2777;

/** Throws where a link or a file stands in its place. */
function makeFolder(dir: string, mode: number): void {
  if (made(dir, mode)) {
    // The process's mask has taken some bits away.
    fs.chmodSync(dir, mode);
  } else {
    requireDirectory(dir);
  }
}

/** False where something has that name already. */
function made(dir: string, mode: number): boolean {
  try {
    fs.mkdirSync(dir, mode);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Throws where a link has taken the place of one of its folders since it was made ready. */
function requireFolders(folder: Folder): void {
  for (const dir of [path.dirname(folder.path), folder.path, folder.tmp, folder.new]) requireDirectory(dir);
}

function linkIndex(folder: Folder, name: string): void {
  const link = path.join(folder.path, name);
  if (name !== '' && !fs.lstatSync(link, { throwIfNoEntry: false })) fs.symlinkSync('index', link);
}

/** The links are a convenience: no mail is turned away because one could not be made. */
function attempt(convenience: () => void): void {
  try {
    convenience();
  } catch {
    // The next day's first mail and `expire` try again.
  }
}
