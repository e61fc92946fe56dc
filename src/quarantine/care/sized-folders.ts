/**
 * A day's folders by their age and by what they take on the disk: the order in which expiry takes the oldest away until
 * the rest fits.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { filesIn, folderTime } from '../disk/emptying.js';
import type { Folder } from '../disk/folder.js';
import { allFolders } from './folders.js';

export interface SizedFolder {
  readonly folder: Folder;
  /** Octets of the mails and the index. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly time: number;
}

export const sizedFolder = async (folder: Folder): Promise<SizedFolder> => ({
  folder,
  size: await sizeOf(folder),
  time: await folderTime(folder),
});

/**
 * Octets of the folders from the oldest of these indexes on. While they are within `expire_size`, none of these goes
 * because of it: what is older goes first.
 */
export async function octetsFrom(root: string, indexes: ReadonlySet<string>): Promise<number> {
  const timed: { readonly folder: Folder; readonly time: number }[] = [];
  for (const folder of allFolders(root)) {
    timed.push({ folder, time: await folderTime(folder) });
    await breathe();
  }
  const first = timed.reduce(
    (least, { folder, time }) => (indexes.has(folder.index) ? Math.min(least, time) : least),
    Infinity,
  );
  let octets = 0;
  for (const { folder, time } of timed) if (time >= first) octets += await sizeOf(folder);
  return octets;
}

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
