/**
 * Until when everything of this host was in the catalog: a time in `state/shipped`. It only tells a start how much has
 * come since; nothing is shipped or left because of it.
 */
import fs from 'node:fs';
import path from 'node:path';
import { beginningOf } from '../../quarantine/disk/regular.js';

const fileIn = (state: string): string => path.join(state, 'shipped');

/** As Date.now() has it; 0 where it is not known. */
export function readDone(state: string): number {
  try {
    return Date.parse(beginningOf(fileIn(state), 40)?.toString('latin1').trim() ?? '') || 0;
  } catch {
    return 0;
  }
}

/** Where it cannot be written, a start knows less. */
export function writeDone(state: string, time: number): void {
  const file = fileIn(state);
  try {
    fs.writeFileSync(`${file}.new`, `${new Date(time).toISOString()}\n`, { mode: 0o644 });
    fs.renameSync(`${file}.new`, file);
  } catch {
    // The folder's other files complain of it.
  }
}
