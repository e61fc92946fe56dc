/**
 * How old a folder is, and taking old mails out of it. Only regular files in tmp/, new/ and cur/ that are themselves
 * older than the cut-off are removed, the index last and only when no mail is left: whoever writes meanwhile loses
 * nothing. Leaves when and under which lock to yearly.ts and expire.ts.
 */
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import path from 'node:path';
import { codeOf } from './durable.js';
import { type Folder, mailTime } from './folder.js';
import { firstEntry } from './index-lines.js';

/** Mails between two breaths of the event loop. */
const batch = 64;

/** When the folder's contents are from, in milliseconds: its index, else its newest mail, else new/ itself. */
export async function folderTime(folder: Folder): Promise<number> {
  const entry = firstEntry(folder.index);
  if (entry) return Date.parse(entry.time);
  return (await newestMail(folder)) ?? fs.lstatSync(folder.new, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
}

/** Milliseconds; undefined when there is no mail. */
export async function newestMail(folder: Folder): Promise<number | undefined> {
  let newest: number | undefined;
  for (const dir of [folder.new, folder.cur]) {
    for (const name of await filesIn(dir)) newest = Math.max(newest ?? 0, timeOf(path.join(dir, name)));
  }
  return newest;
}

export interface EmptyingOptions {
  /** Milliseconds; what is younger stays. */
  readonly before: number;
  /** Asked every few mails; false stops. */
  readonly goOn: () => boolean;
}

/** Returns whether the folder holds no mail and no index now. */
export async function emptyFolder(folder: Folder, { before, goOn }: EmptyingOptions): Promise<boolean> {
  let kept = 0;
  for (const dir of [folder.tmp, folder.cur, folder.new]) {
    const left = await removeOld(dir, { before, goOn });
    if (left === undefined) return false;
    if (dir !== folder.tmp) kept += left;
  }
  if (kept > 0 || !goOn()) return false;
  const entry = firstEntry(folder.index);
  if (entry && Date.parse(entry.time) >= before) return false;
  // Whatever is no regular file is no index, and not ours to remove.
  if (fs.lstatSync(folder.index, { throwIfNoEntry: false })?.isFile()) fs.rmSync(folder.index, { force: true });
  return true;
}

/** How many files stay; undefined when it was stopped. */
async function removeOld(dir: string, { before, goOn }: EmptyingOptions): Promise<number | undefined> {
  const names = await filesIn(dir);
  let kept = 0;
  for (let i = 0; i < names.length; i += batch) {
    if (!goOn()) return undefined;
    const old = names.slice(i, i + batch).filter((name) => timeOf(path.join(dir, name)) < before);
    await Promise.all(old.map((name) => fsp.rm(path.join(dir, name), { force: true })));
    kept += Math.min(batch, names.length - i) - old.length;
  }
  return kept;
}

/** Tells when a mail came: by its name, which no copying changes, or else by the file's own time. */
function timeOf(file: string): number {
  return mailTime(path.basename(file)) ?? fs.lstatSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
}

/** Regular files only. */
export async function filesIn(dir: string): Promise<readonly string[]> {
  const names = [];
  for await (const entry of entriesIn(dir)) if (entry.isFile()) names.push(entry.name);
  return names;
}

/** A link in place of the directory is not followed, and what is no directory holds nothing. */
export async function* entriesIn(dir: string): AsyncGenerator<fs.Dirent> {
  if (!fs.lstatSync(dir, { throwIfNoEntry: false })?.isDirectory()) return;
  try {
    // Piecemeal: a million names at once would hold up the event loop.
    yield* await fsp.opendir(dir, { bufferSize: 1024 });
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
