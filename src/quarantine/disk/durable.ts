/**
 * Octets on their way to the disk: whole writes, and syncs whose errors name the path (those of a bare descriptor do
 * not). Leaves names, order and tidying up to its callers.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';
import { errorText } from '../../mail/error-text.js';

const writeLater = promisify(fs.write);

/** Writes all of it now; for a few kilobytes the thread pool costs more than the write. */
export function writeNow(fd: number, octets: Buffer, path: string): void {
  try {
    for (let done = 0; done < octets.length;) done += fs.writeSync(fd, octets, done);
  } catch (error) {
    throw withPath(error, path);
  }
}

/** Writes all of it without holding up the event loop. */
export async function writeInBackground(fd: number, octets: Buffer, path: string): Promise<void> {
  try {
    for (let done = 0; done < octets.length;) {
      done += (await writeLater(fd, octets, done, octets.length - done, null)).bytesWritten;
    }
  } catch (error) {
    throw withPath(error, path);
  }
}

let heardSync: (seconds: number) => void = () => {};

/** Tells how long each sync of this process took. */
export function hearSyncs(heard: (seconds: number) => void): void {
  heardSync = heard;
}

/** Contents and size are on disk when this resolves; times need not be (fdatasync(2)). */
export function syncFile(fd: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const since = performance.now();
    fs.fdatasync(fd, (error) => {
      if (error) return reject(withPath(error, path));
      heardSync((performance.now() - since) / 1000);
      resolve();
    });
  });
}

/** The names in a folder are on disk when this resolves. A file system that syncs no folders (EINVAL) is let be. */
export function syncFolder(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    const since = performance.now();
    fs.fsync(fd, (error) => {
      fs.closeSync(fd);
      if (error && codeOf(error) !== 'EINVAL') return reject(withPath(error, path));
      heardSync((performance.now() - since) / 1000);
      resolve();
    });
  });
}

/** When one fails the others are waited for. */
export async function allOf(work: readonly Promise<void>[]): Promise<void> {
  if (work.length === 1) return work[0];
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

/** The errno name of an error, for example `ENOSPC`; '' when it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** An error as the file system calls throw them, for what we find out ourselves. */
export function ioError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

function withPath(error: unknown, path: string): Error {
  const text = errorText(error);
  return Object.assign(new Error(`${text} '${path}'`), { code: codeOf(error) });
}
