/** Reads the files that settings name, without waiting for whoever may write to the other end. */
import { closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync } from 'node:fs';

/** Pipes whose text has been taken. */
const taken = new Set<string>();

/**
 * The text of a regular file, of `/dev/null`, or of a pipe that whoever started us holds (`-c /dev/stdin`,
 * `-c <(...)`), which can be read once. Throws as node:fs does; what else there may be, such as a FIFO, would hold us
 * up for ever, and throws too.
 */
export function readText(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    // A folder is refused when it is read.
    if (stat.isFile() || stat.isDirectory() || path === '/dev/null') return readFileSync(fd, 'utf8');
    if (!stat.isFIFO() || !isNameless(fd)) throw new Error('it is no regular file');
  } finally {
    closeSync(fd);
  }
  if (taken.has(path)) throw new Error('it is a pipe, which can be read only once');
  taken.add(path);
  return readFileSync(path, 'utf8');
}

/** A pipe between two processes has no name in a folder, and a FIFO has one. */
function isNameless(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith('pipe:[');
  } catch {
    return false;
  }
}
