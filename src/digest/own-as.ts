/**
 * What root makes in the state folder belongs to the folder's owner: cron sends digests as root, the page has no such
 * rights.
 */
import fs from 'node:fs';

export function ownAs(file: string, state: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = fs.statSync(state);
  fs.lchownSync(file, uid, gid);
}

export function makePrivateFolder(folder: string, state: string): void {
  if (fs.existsSync(folder)) return;
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  ownAs(folder, state);
}
