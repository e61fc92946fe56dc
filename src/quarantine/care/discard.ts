/**
 * Deletes one mail: its file, and a mark in the index, so that nobody looks for it. The line itself stays until it
 * expires.
 */
import fs from 'node:fs';
import { addMark, dispositionOf } from '../look/disposition.js';
import { locate, type MailRef } from '../disk/mail-ref.js';

/** Returns `gone` where there was no such mail. Broken IO throws. */
export async function discard(root: string, ref: MailRef, by: string): Promise<'deleted' | 'gone'> {
  const file = await locate(root, ref);
  const known = dispositionOf(root, ref);
  if (file !== undefined) fs.rmSync(file, { force: true });
  if (known.entry && known.mark?.kind !== 'deleted') await addMark(root, ref, { kind: 'deleted', by });
  return file === undefined ? 'gone' : 'deleted';
}
