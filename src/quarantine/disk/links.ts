/**
 * Keeps /spam/today and /spam/yesterday pointing at the folders of those days. Leaves making the folders to prepare.ts.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { dayBefore, ydayOf } from './day.js';

/**
 * Each link is right or absent afterwards: a link to a day without mails would dangle. What is no link (an operator's
 * own folder) stays as it is. Broken IO throws.
 */
export function setLinks(root: string, now: Date): void {
  setLink(root, 'today', String(ydayOf(now)));
  setLink(root, 'yesterday', String(ydayOf(dayBefore(now))));
}

function setLink(root: string, name: string, target: string): void {
  const link = path.join(root, name);
  const there = fs.lstatSync(link, { throwIfNoEntry: false });
  if (there && !there.isSymbolicLink()) return;
  if (!fs.existsSync(path.join(root, target))) {
    if (there) fs.rmSync(link, { force: true });
  } else if (!there || fs.readlinkSync(link) !== target) {
    replaceLink(link, target);
  }
}

/** A reader always finds a link: the old one or the new one. */
export function replaceLink(link: string, target: string): void {
  const temporary = path.join(path.dirname(link), `.${path.basename(link)}-${randomUUID()}`);
  fs.symlinkSync(target, temporary);
  try {
    fs.renameSync(temporary, link);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}
