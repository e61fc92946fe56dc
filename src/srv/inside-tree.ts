/**
 * Reads and writes for the page and for commands that no link leads out of /srv, however it got there: folders are
 * opened one by one, where each is found to be is looked at, and what is in it is reached through the open folder.
 * Links that stay in the tree are followed. What the listener reads is folder.ts's business.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/** Something led out of the tree: nothing was read or written. */
export class OutsideTree extends Error {
  constructor(where: string) {
    super(`${where}: leads out of the tree by a link; nothing is read or written there`);
  }
}

export interface TreeFolder {
  /** It is /srv. */
  readonly root: string;
  /** They are the names of the folders on the way, from the root on. */
  readonly names: readonly string[];
}

/** Linux reaches what is in an open folder by this path, also when a link is put in the folder's place meanwhile. */
const descriptors = '/proc/self/fd';

interface HeldFolder {
  readonly fd: number;
  /** It is a path by which the folder is reached as long as it is open. */
  readonly at: string;
  /** It is where the folder is. */
  readonly real: string;
}

function hold(folder: string, more = 0): HeldFolder {
  const fd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | more);
  if (!fs.existsSync(descriptors)) return { fd, at: fs.realpathSync(folder), real: fs.realpathSync(folder) };
  const at = `${descriptors}/${fd}`;
  return { fd, at, real: fs.readlinkSync(at) };
}

const isInside = (real: string, root: string): boolean => real === root || real.startsWith(`${root}${path.sep}`);

/**
 * Does the work in the folder, which it reaches by the path that it is given; undefined where there is no such folder.
 * With `make` missing folders are made. Broken IO and OutsideTree throw.
 */
export function inFolder<T>(
  { root, names }: TreeFolder,
  work: (at: string) => T,
  { make = false } = {},
): T | undefined {
  const top = hold(root);
  let held = top;
  try {
    for (const [i, name] of names.entries()) {
      const next = step(held, name, make);
      if (next === undefined) return undefined;
      fs.closeSync(held.fd);
      held = next;
      if (!isInside(held.real, top.real)) throw new OutsideTree(path.join(root, ...names.slice(0, i + 1)));
    }
    return work(held.at);
  } finally {
    fs.closeSync(held.fd);
  }
}

function step(held: HeldFolder, name: string, make: boolean): HeldFolder | undefined {
  const next = `${held.at}/${name}`;
  if (make && !fs.existsSync(next)) fs.mkdirSync(next, { recursive: true });
  try {
    return hold(next);
  } catch (error) {
    if (!make && isAbsent(error)) return undefined;
    throw error;
  }
}

const isAbsent = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

const maxOctets = 65_536;

/** The text of a file; undefined where there is none. What is no file, or too large for a list, throws. */
export function readInside(folder: TreeFolder, name: string): string | undefined {
  const shown = path.join(folder.root, ...folder.names, name);
  return inFolder(folder, (at) => {
    const file = `${at}/${name}`;
    if (!fs.lstatSync(file, { throwIfNoEntry: false })) return undefined;
    // A FIFO must not make us wait.
    const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    try {
      const real = fs.existsSync(descriptors) ? fs.readlinkSync(`${descriptors}/${fd}`) : fs.realpathSync(file);
      if (!isInside(real, fs.realpathSync(folder.root))) throw new OutsideTree(shown);
      const stat = fs.fstatSync(fd);
      if (!stat.isFile()) throw new Error(`${shown}: is no file`);
      if (stat.size > maxOctets) throw new Error(`${shown}: is larger than ${maxOctets} octets`);
      return fs.readFileSync(fd, 'utf8');
    } finally {
      fs.closeSync(fd);
    }
  });
}

/**
 * Makes an empty file, or one with that text, and the folders above it. False when there was something of that name,
 * which stays.
 */
export function createInside(folder: TreeFolder, name: string, text = ''): boolean {
  const made = inFolder(
    folder,
    (at) => {
      try {
        fs.writeFileSync(`${at}/${name}`, text, { flag: 'wx', flush: true });
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
        throw error;
      }
    },
    { make: true },
  );
  return made === true;
}

/** Removes a file, a link (not what it leads to) or an empty folder. False where there was nothing. */
export function removeInside(folder: TreeFolder, name: string): boolean {
  const removed = inFolder(folder, (at) => {
    const file = `${at}/${name}`;
    const stat = fs.lstatSync(file, { throwIfNoEntry: false });
    if (!stat) return false;
    if (stat.isDirectory()) fs.rmdirSync(file);
    else fs.rmSync(file);
    return true;
  });
  return removed === true;
}

/** One entry that was removed. */
export interface RemovedEntry {
  /** It is relative to the folder. */
  readonly name: string;
  /** It is what a file held, or where a link led (`-> TARGET`); '' for most. */
  readonly old: string;
}

/**
 * Removes what has that name with all that is in it; a link is removed, and what it leads to stays. What is at the top
 * of the tree is gone at once, whoever looks meanwhile. Undefined where there was nothing.
 */
export function removeWhole(folder: TreeFolder, name: string): readonly RemovedEntry[] | undefined {
  return inFolder(folder, (at) => {
    const stat = fs.lstatSync(`${at}/${name}`, { throwIfNoEntry: false });
    if (!stat) return undefined;
    if (!stat.isDirectory()) return removeEntry(`${at}/${name}`, name);
    // Half a domain would be judged otherwise than a whole one, or none.
    const aside = folder.names.length === 0 ? `.${name}.${randomBytes(6).toString('hex')}` : name;
    if (aside !== name) fs.renameSync(`${at}/${name}`, `${at}/${aside}`);
    return removeEntry(`${at}/${aside}`, name);
  });
}

function removeEntry(file: string, name: string): readonly RemovedEntry[] {
  const stat = fs.lstatSync(file);
  if (!stat.isDirectory()) {
    const old = oldText(file, stat);
    fs.rmSync(file);
    return [{ name, old }];
  }
  const held = hold(file, fs.constants.O_NOFOLLOW);
  try {
    const removed = fs.readdirSync(held.at).map((entry) => removeEntry(`${held.at}/${entry}`, `${name}/${entry}`));
    fs.rmdirSync(file);
    return removed.flat();
  } finally {
    fs.closeSync(held.fd);
  }
}

const maxOld = 1_000;

/** What is there, for the audit: '' for most files, `-> TARGET` for a link. `file` is in a folder that is held. */
export function oldText(file: string, stat: fs.Stats | undefined): string {
  if (stat?.isSymbolicLink() === true) return `-> ${fs.readlinkSync(file)}`;
  if (stat?.isFile() !== true || stat.size === 0) return '';
  const octets = Buffer.alloc(maxOld);
  const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  try {
    return octets.toString('utf8', 0, fs.readSync(fd, octets, 0, maxOld, 0));
  } finally {
    fs.closeSync(fd);
  }
}

/** How many entries there are below a name, itself among them; links count as one. */
export function countWhole(folder: TreeFolder, name: string): number {
  return inFolder(folder, (at) => countEntries(`${at}/${name}`)) ?? 0;
}

function countEntries(file: string): number {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return 1;
  return fs.readdirSync(file).reduce((sum, entry) => sum + countEntries(`${file}/${entry}`), 1);
}

/**
 * Replaces a file whole: whoever reads it meanwhile sees the old text or the new one. A link that stays in the tree
 * stays a link.
 */
export function replaceInside(folder: TreeFolder, name: string, text: string): void {
  const target = linkTarget(folder, name);
  if (target) return replaceInside(target.folder, target.name, text);
  inFolder(
    folder,
    (at) => {
      const half = `${at}/.${name}.${randomBytes(6).toString('hex')}`;
      try {
        fs.writeFileSync(half, text, { flag: 'wx', flush: true });
        // The listener must be able to read it, whatever the writer's umask.
        fs.chmodSync(half, 0o644);
        fs.renameSync(half, `${at}/${name}`);
      } finally {
        fs.rmSync(half, { force: true });
      }
    },
    { make: true },
  );
}

/** Where the link of that name leads; undefined where it is none. */
function linkTarget(
  folder: TreeFolder,
  name: string,
): { readonly folder: TreeFolder; readonly name: string } | undefined {
  const shown = path.join(folder.root, ...folder.names, name);
  return inFolder(folder, (at) => {
    const isLink = fs.lstatSync(`${at}/${name}`, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    if (!isLink) return undefined;
    const root = fs.realpathSync(folder.root);
    const real = fs.realpathSync(`${at}/${name}`);
    if (!isInside(real, root)) throw new OutsideTree(shown);
    const names = path.relative(root, real).split(path.sep);
    return { folder: { root, names: names.slice(0, -1) }, name: names.at(-1) ?? '' };
  });
}
