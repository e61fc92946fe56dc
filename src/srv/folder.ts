/**
 * A folder of /srv as it was listed, held good by one stat of it: while its inode and times stay the same, nothing
 * was made in it or taken out of it. What is listed is still looked at by itself, so that what cannot be read is
 * never taken for absent; and what was there is looked at without the folders around it, whose listings say only what
 * is not there. Each is asked about once a turn, in which no command can have been read after a reply.
 * Leaves what the names mean to srv.ts, and when a turn ends to turn.ts.
 */
import { lstatSync, opendirSync, readdirSync, readFileSync, realpathSync, statSync, type Stats } from 'node:fs';
import { sep } from 'node:path';
import type { Turn } from './turn.js';

/**
 * /srv cannot be read (anything but "no such entry"): the mail must be deferred. Caught by the hook runner and the
 * session.
 */
export class BrokenMarker extends Error {
  readonly path: string;
  constructor(path: string, cause: unknown) {
    super(`${path}: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`);
    this.path = path;
  }
}

export type EntryKind = 'directory' | 'file';

/** Octets of a directory above which its entries are asked for one by one. */
const maxDirectoryOctets = 16_384;
const maxNames = 2_000;
/** How many folders are remembered, and entries of one; with one more all are forgotten. */
const maxFolders = 20_000;
const maxEntries = 500;
/**
 * Times of a file system tick: a change in the same tick as the one before does not show. A listing is remembered if
 * the folder's times had been the same for so long when it was read. By our own clock, as that of a file server may
 * differ.
 */
const settledMs = 50;
export const maxMarkerOctets = 1024;
export const maxListOctets = 65_536;
/** Larger files are read anew each time. */
const maxRememberedOctets = 4_096;

const quiet = { throwIfNoEntry: false } as const;

/** The folders below one root. */
export class MarkerFolders {
  readonly root: string;
  readonly turn: Turn;
  readonly #known = new Map<string, MarkerFolder>();
  /** Those of them that stand in the root, by their names, so that no path need be put together to find one. */
  readonly #inRoot = new Map<string, MarkerFolder>();

  constructor(root: string, turn: Turn) {
    this.root = root;
    this.turn = turn;
  }

  /** The folder at a path outside of the tree, or of the tree itself; undefined as of `sub`. */
  at(path: string): MarkerFolder | undefined {
    return this.remembered(path).whereLikely();
  }

  /** The folder of that name in the root: a directory, or a link to one that stays in the tree. */
  inRoot(name: string): MarkerFolder | undefined {
    let folder = this.#inRoot.get(name);
    if (folder === undefined) {
      folder = this.remembered(`${this.root}/${name}`);
      this.#inRoot.set(name, folder);
    }
    return folder.whereThere(lstatSync) ?? this.#linked(folder);
  }

  #linked({ path, kind }: MarkerFolder): MarkerFolder | undefined {
    if (kind !== 'link') return undefined;
    const target = attempt(path, () => realpathSync(path));
    if (target === undefined || !target.startsWith(realpathSync(this.root) + sep)) return undefined;
    return this.remembered(target).whereThere();
  }

  /** The folder of that path, whether it is there or not: always the same one, until all are forgotten. */
  remembered(path: string): MarkerFolder {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    if (this.#known.size >= maxFolders) {
      this.#known.clear();
      this.#inRoot.clear();
    }
    const folder = new MarkerFolder(path, this);
    this.#known.set(path, folder);
    return folder;
  }
}

/** What is in a folder and was asked about. */
interface MarkerEntry {
  readonly path: string;
  /** The turn in which it was looked at. */
  turn: number;
  found: Stats | undefined;
  /** What was read of it, held good by its stat. */
  file: RememberedFile | undefined;
}

export class MarkerFolder {
  readonly path: string;
  readonly #folders: MarkerFolders;
  #turn = -1;
  #kind: 'directory' | 'link' | undefined = undefined;
  #octets = 0;
  #stamp: Stamp | undefined = undefined;
  /** When the stamp was first seen. */
  #stampSince = 0;
  #listing: FolderListing | undefined = undefined;
  /** The folders and the entries in it that were asked for, so that their paths are put together once. */
  #children: Map<string, MarkerFolder> | undefined = undefined;
  #entries: Map<string, MarkerEntry> | undefined = undefined;

  constructor(path: string, folders: MarkerFolders) {
    this.path = path;
    this.#folders = folders;
  }

  /** What was found at the path when it was last looked at. */
  get kind(): 'directory' | 'link' | undefined {
    return this.#kind;
  }

  /** The folder itself, held good in this turn, if it is a directory. */
  whereThere(look = statSync): MarkerFolder | undefined {
    const turn = this.#folders.turn.number;
    if (this.#turn !== turn) {
      this.#look(statsAt(this.path, look));
      this.#turn = turn;
    }
    return this.#kind === 'directory' ? this : undefined;
  }

  /** The same, without a look at one that was there: it is looked at when something is asked of it. */
  whereLikely(): MarkerFolder | undefined {
    return this.#kind === 'directory' ? this : this.whereThere();
  }

  #look(found: Stats | undefined): void {
    this.#kind = found?.isDirectory() === true ? 'directory' : found?.isSymbolicLink() === true ? 'link' : undefined;
    if (this.#stamp !== undefined && found !== undefined && sameStamp(this.#stamp, found)) {
      if (this.#listing?.isSettled === false) this.#listing = undefined;
      return;
    }
    this.#listing = undefined;
    this.#stamp = found && stampOf(found);
    this.#stampSince = performance.now();
    this.#octets = found?.size ?? 0;
  }

  #listed(): FolderListing {
    return this.whereThere() === undefined ? emptyListing : (this.#listing ??= this.#list());
  }

  #list(): FolderListing {
    const names = this.#octets > maxDirectoryOctets ? undefined : namesIn(this.path);
    return { names, isSettled: performance.now() - this.#stampSince >= settledMs, lengths: names && lengthsIn(names) };
  }

  /** The same set while the folder is the same; undefined where entries are asked for one by one. */
  get names(): ReadonlySet<string> | undefined {
    return this.#listed().names;
  }

  /** May there be an entry of that name? False is certain. */
  mayHave(name: string): boolean {
    return mayList(this.#listed(), name);
  }

  /** May there be an entry at all? Nothing but the listing is asked; false is certain. */
  mayHaveAny(): boolean {
    return this.#listed().names?.size !== 0;
  }

  kindOf(name: string): EntryKind | undefined {
    const found = this.#statOf(name);
    return found === undefined ? undefined : found.isDirectory() ? 'directory' : 'file';
  }

  has(name: string): boolean {
    return this.#statOf(name) !== undefined;
  }

  /** `stat`, never `open`: a marker may be a FIFO or a device. */
  #statOf(name: string): Stats | undefined {
    return this.#lookedAt(name)?.found;
  }

  /** The entry of that name as it was found in this turn; undefined where none is listed. */
  #lookedAt(name: string): MarkerEntry | undefined {
    const known = this.#entries?.get(name);
    if (known?.found === undefined && !this.mayHave(name)) return undefined;
    const entry = known ?? this.#newEntry(name);
    const turn = this.#folders.turn.number;
    if (entry.turn !== turn) {
      entry.found = statsAt(entry.path, statSync);
      entry.turn = turn;
    }
    return entry;
  }

  #newEntry(name: string): MarkerEntry {
    const entries = (this.#entries ??= new Map<string, MarkerEntry>());
    if (entries.size >= maxEntries) entries.clear();
    const entry = { path: `${this.path}/${name}`, turn: -1, found: undefined, file: undefined };
    entries.set(name, entry);
    return entry;
  }

  /** The folder of that name in it; undefined where there is certainly none. One that has gone since is empty. */
  sub(name: string): MarkerFolder | undefined {
    const known = this.#children?.get(name);
    if (known?.kind === 'directory') return known;
    return this.mayHave(name) ? (known ?? this.#newChild(name)).whereThere() : undefined;
  }

  #newChild(name: string): MarkerFolder {
    const child = this.#folders.remembered(`${this.path}/${name}`);
    (this.#children ??= new Map<string, MarkerFolder>()).set(name, child);
    return child;
  }

  isEmpty(): boolean {
    const { names } = this.#listed();
    return names === undefined ? !hasEntries(this.path) : names.size === 0;
  }

  /** A marker's text; '' for most, which cost one `stat`, and where it is too long. Undefined: there is no marker. */
  word(name: string): string | undefined {
    const found = this.#statOf(name);
    if (found === undefined || !found.isFile() || found.size === 0 || found.size > maxMarkerOctets) return found && '';
    const path = `${this.path}/${name}`;
    return attempt(path, () => readFileSync(path, 'latin1')) ?? '';
  }

  /**
   * The lines of a file, without comments and empty ones; undefined where there is none. They are the same value while
   * the file is the same.
   */
  lines(name: string): readonly string[] | undefined {
    const entry = this.#lookedAt(name);
    if (entry?.found === undefined) return undefined;
    const { path, found, file: known } = entry;
    if (!found.isFile()) throw new BrokenMarker(path, 'no file');
    if (found.size > maxListOctets) throw new BrokenMarker(path, `larger than ${maxListOctets} octets`);
    const isSame = known !== undefined && known.octets === found.size && sameStamp(known.stamp, found);
    if (isSame && known.isSettled) return known.lines;
    const since = isSame ? known.since : performance.now();
    const lines = linesOf(path);
    if (lines !== undefined && found.size <= maxRememberedOctets)
      entry.file = {
        stamp: stampOf(found),
        octets: found.size,
        since,
        isSettled: performance.now() - since >= settledMs,
        lines,
      };
    return lines;
  }

  /** Is there a link of that name, and nothing where it leads? */
  isLinkToNowhere(name: string): boolean {
    return this.mayHave(name) && !this.has(name) && statsAt(`${this.path}/${name}`, lstatSync) !== undefined;
  }

  /** The lengths of the networks that are listed (`192.0.2.0_24`), the longest first; undefined: nobody knows. */
  get networkLengths(): readonly number[] | undefined {
    return this.#listed().lengths;
  }
}

interface FolderListing {
  /** Undefined where entries are asked for one by one: the folder is large, or cannot be listed. */
  readonly names: ReadonlySet<string> | undefined;
  /** It is true if the folder's times had been the same for long enough when it was read. */
  readonly isSettled: boolean;
  readonly lengths: readonly number[] | undefined;
}

/** That of a folder that is not there. */
const emptyListing: FolderListing = { names: new Set(), isSettled: true, lengths: [] };

/** False is certain. */
const mayList = ({ names }: FolderListing, name: string): boolean => names === undefined || names.has(name);

type Stamp = Pick<Stats, 'ino' | 'mtimeMs' | 'ctimeMs'>;

/** What a file held when it was read. */
interface RememberedFile {
  readonly stamp: Stamp;
  readonly octets: number;
  /** When the stamp was first seen. */
  readonly since: number;
  /** As that of a listing. */
  readonly isSettled: boolean;
  readonly lines: readonly string[];
}

const stampOf = ({ ino, mtimeMs, ctimeMs }: Stats): Stamp => ({ ino, mtimeMs, ctimeMs });

const sameStamp = (a: Stamp, b: Stamp): boolean =>
  a.ino === b.ino && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs;

const linesOf = (path: string): readonly string[] | undefined =>
  attempt(path, () => readFileSync(path, 'utf8'))
    ?.split('\n')
    .map((line) => line.replace(/(?:^|\s)#.*$/s, '').trim())
    .filter((line) => line !== '');

/** Returns undefined where there are too many names, or where the folder may be entered but not listed. */
function namesIn(path: string): ReadonlySet<string> | undefined {
  try {
    const names = readdirSync(path);
    return names.length > maxNames ? undefined : new Set(names);
  } catch {
    return undefined; // whoever asks for an entry hears what is wrong
  }
}

function lengthsIn(names: ReadonlySet<string>): readonly number[] {
  const lengths = new Set<number>();
  for (const name of names) {
    const at = name.lastIndexOf('_');
    if (at > 0) lengths.add(Number(name.slice(at + 1)));
  }
  return [...lengths].filter(Number.isInteger).toSorted((a, b) => b - a);
}

/** ENOENT and ENOTDIR mean "no marker" (also a link to nowhere); any other error is broken, never absent. */
export function attempt<T>(path: string, look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    return absent(path, error);
  }
}

/** The same as `attempt`, without a function made for it: nearly all questions are these. */
function statsAt(path: string, look: typeof statSync): Stats | undefined {
  try {
    return look(path, quiet);
  } catch (error) {
    return absent(path, error);
  }
}

function absent(path: string, error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw new BrokenMarker(path, error);
}

/** Reads one entry: there may be a million. */
function hasEntries(directory: string): boolean {
  const handle = attempt(directory, () => opendirSync(directory));
  if (handle === undefined) return false;
  try {
    return (attempt(directory, () => handle.readSync()) ?? null) !== null;
  } finally {
    handle.closeSync();
  }
}
