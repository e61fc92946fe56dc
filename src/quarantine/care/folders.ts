/** The folders that /spam holds: real directories that look like ours. Leaves what is in them to others. */
import fs from 'node:fs';
import path from 'node:path';
import { isYday } from '../disk/day.js';
import { type Folder, folderAt } from '../disk/folder.js';

export const domainIn = (folder: Folder): string => path.basename(folder.path);
export const ydayIn = (folder: Folder): string => path.basename(path.dirname(folder.path));

export function allFolders(root: string): readonly Folder[] {
  return directoriesIn(root)
    .filter(isYday)
    .flatMap((yday) => directoriesIn(path.join(root, yday)).map((domain) => folderAt(path.join(root, yday, domain))))
    .filter((folder) => fs.lstatSync(folder.new, { throwIfNoEntry: false })?.isDirectory());
}

function directoriesIn(dir: string): readonly string[] {
  const entries = fs.readdirSync(dir, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name);
}
