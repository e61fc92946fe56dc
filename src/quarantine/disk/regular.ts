/**
 * Opens regular files below /spam and nothing else: never through a link, and without waiting for whoever is at the
 * other end of a FIFO. Whoever may write there may plant such things. Leaves what is in the files to others.
 */
import fs from 'node:fs';
import { codeOf, ioError } from './durable.js';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

/** Is this what open(2) says to a link, to a FIFO that nobody reads, or to a socket? */
const isOther = (error: unknown): boolean => ['ELOOP', 'EMLINK', 'ENXIO', 'ENODEV'].includes(codeOf(error));

/** A descriptor; undefined when there is nothing, or no regular file. Broken IO throws. */
export function openToRead(path: string): number | undefined {
  try {
    const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fs.fstatSync(fd).isFile()) return fd;
    fs.closeSync(fd);
    return undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || isOther(error)) return undefined;
    throw error;
  }
}

/** A descriptor for these flags of open(2). Throws where something else than a regular file stands, too. */
export function openToWrite(path: string, flags: number, mode = 0o660): number {
  let fd: number;
  try {
    fd = fs.openSync(path, flags | O_NOFOLLOW | O_NONBLOCK, mode);
  } catch (error) {
    throw isOther(error) || codeOf(error) === 'EISDIR' ? notRegular(path) : error;
  }
  if (fs.fstatSync(fd).isFile()) return fd;
  fs.closeSync(fd);
  throw notRegular(path);
}

const notRegular = (path: string): Error => ioError('EINVAL', `no regular file, move it away '${path}'`);

/** Throws where a link or something else stands in a directory's place; ENOENT where nothing does. */
export function requireDirectory(path: string): void {
  if (!fs.lstatSync(path).isDirectory()) throw ioError('ENOTDIR', `no directory, move it away '${path}'`);
}

/** The beginning of a file, at most so many octets; undefined where `openToRead` finds none. */
export function beginningOf(path: string, length: number): Buffer | undefined {
  const fd = openToRead(path);
  if (fd === undefined) return undefined;
  try {
    const octets = Buffer.alloc(length);
    return octets.subarray(0, fs.readSync(fd, octets, 0, length, 0));
  } finally {
    fs.closeSync(fd);
  }
}
