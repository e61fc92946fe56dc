/**
 * Can the clock be believed? Expiry trusts it with every mail: a machine that starts in 1970 or in 2099 must not empty
 * the quarantine. Leaves asking to the services, when they start.
 */
import fs from 'node:fs';
import path from 'node:path';
import { newestMail } from '../disk/emptying.js';
import type { Folder } from '../disk/folder.js';
import { replaceLink } from '../disk/links.js';
import { BackwardIndex } from '../look/backwards.js';
import { allFolders, domainIn } from './folders.js';
import { type KeepingOptions, KeepingLimits } from './keeping-limits.js';

export interface ClockOptions extends KeepingOptions {
  /** /spam */
  readonly root: string;
  readonly now: Date;
}

/** A clock that is set right at start steps back by fewer milliseconds. */
const grace = 600_000;

const dayMs = 86_400_000;

const iso = (time: number): string => new Date(time).toISOString();

/**
 * What is wrong with the clock, for the log: it is before the newest mail, or so late that all mail would go. Broken IO
 * throws.
 */
export async function clockProblem(options: ClockOptions): Promise<string | undefined> {
  const { root } = options;
  const now = options.now.getTime();
  const limits = new KeepingLimits(options);
  let newest = -Infinity;
  let staysOne = false;
  for (const folder of allFolders(root)) {
    const time = await newestIn(folder);
    if (time === undefined) continue;
    newest = Math.max(newest, time);
    const days = limits.days(domainIn(folder));
    staysOne ||= days === 0 || time >= now - days * dayMs;
  }
  if (newest > now + grace && newest > acceptedUntil(root)) return told(now, `a mail was kept at ${iso(newest)}`);
  return newest > -Infinity && !staysOne
    ? told(now, `by that all mail is too old, the newest is of ${iso(newest)}`)
    : undefined;
}

const told = (now: number, why: string): string =>
  `the clock says ${iso(now)}, but ${why}: nothing is removed until that is mended, ` +
  'or "postern quarantine expire" is called by hand';

/** Somebody who looked has expired by hand: mails that are younger than the clock are no reason any more. */
export async function acceptClock(root: string, now = new Date()): Promise<void> {
  let newest = 0;
  for (const folder of allFolders(root)) newest = Math.max(newest, (await newestIn(folder)) ?? 0);
  if (newest > now.getTime() + grace) replaceLink(acceptedLink(root), String(newest));
}

/** It is a link that leads nowhere: that needs no block of a full disk, and is whole or not there. */
const acceptedLink = (root: string): string => path.join(root, '.expired-by-hand');

function acceptedUntil(root: string): number {
  const link = acceptedLink(root);
  if (!fs.lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) return 0;
  return Number(fs.readlinkSync(link)) || 0;
}

/** Tells it by the index's last line, which is one look, else by the mails' names; undefined where there is neither. */
async function newestIn(folder: Folder): Promise<number | undefined> {
  return lastLine(folder.index) ?? (await newestMail(folder));
}

/** How many stretches without a good line are read before the mails' names are looked at instead. */
const maxReads = 8;

function lastLine(file: string): number | undefined {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) return undefined;
  const index = new BackwardIndex({ path: file, size: stat.size, ino: stat.ino }, { nearlyAll: true });
  for (let reads = 0; reads < maxReads && !index.done; reads++) {
    index.read();
    const found = index.take();
    if (found) return Date.parse(found.entry.time);
  }
  return undefined;
}
