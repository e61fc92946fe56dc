/**
 * Which mail: the day's folder, the domain and the file, as one value, as text (`329/example.com/NAME`), and on disk.
 */
import fs from 'node:fs';
import path from 'node:path';
import { isYday } from './day.js';
import { filesIn } from './emptying.js';
import { type Folder, folderAt, isFolderName, baseName, mailKey } from './folder.js';

export interface MailRef {
  /** 1 … 366, as the folder is called. */
  readonly yday: string;
  readonly domain: string;
  /** As it was archived, without what readers add. */
  readonly filename: string;
}

export const refText = ({ yday, domain, filename }: MailRef): string => `${yday}/${domain}/${filename}`;

/**
 * The ID of the 550: `1795178529.6AD976HBEEVN63_1.mx.example.com` → `6AD976HBEEVN63`; '' for a name that is not ours.
 */
export const idOf = (filename: string): string => /^\d+\.([A-Z0-9]+)_\d+\./.exec(filename)?.[1] ?? '';

/** Undefined for anything that could lead elsewhere than into a maildir of ours. */
export function parseRef(text: string): MailRef | undefined {
  const [yday = '', domain = '', filename = '', ...more] = text.split('/');
  const fits = isYday(yday) && isDomainFolder(domain) && isFileName(filename) && more.length === 0;
  return fits ? { yday, domain, filename: baseName(filename) } : undefined;
}

export const isDomainFolder = (name: string): boolean => isFolderName(name) && !/[\p{Cc}\\]/u.test(name);

const isFileName = (name: string): boolean =>
  name.length <= 255 && /^[!-.0-~]+$/.test(name) && !name.startsWith('.') && baseName(name) !== '';

/** The folder of a reference; undefined when it is not there, or a link stands in its place. */
export function folderOf(root: string, { yday, domain }: Omit<MailRef, 'filename'>): Folder | undefined {
  const day = path.join(root, yday);
  const folder = folderAt(path.join(day, domain));
  return [day, folder.path].every(isDirectory) ? folder : undefined;
}

const isDirectory = (dir: string): boolean => fs.lstatSync(dir, { throwIfNoEntry: false })?.isDirectory() === true;

const isSameMail = (name: string, filename: string): boolean =>
  mailKey(filename) === undefined ? baseName(name) === filename : mailKey(name) === mailKey(filename);

/** Where the mail's file is; undefined when it is gone. */
export async function locate(root: string, ref: MailRef): Promise<string | undefined> {
  const folder = folderOf(root, ref);
  if (!folder) return undefined;
  for (const dir of [folder.new, folder.cur]) {
    const file = path.join(dir, ref.filename);
    if (isDirectory(dir) && fs.lstatSync(file, { throwIfNoEntry: false })?.isFile()) return file;
  }
  // A mail reader has changed its name.
  for (const dir of [folder.cur, folder.new]) {
    const renamed = (await filesIn(dir)).find((name) => isSameMail(name, ref.filename));
    if (renamed !== undefined) return path.join(dir, renamed);
  }
  return undefined;
}
