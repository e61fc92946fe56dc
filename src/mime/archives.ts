/**
 * What is packed into an attachment: the names in archives and in archives within them, and whether there is a password
 * on any of it. A first look costs little and unpacks nothing; a closer one is for those who ask. Leaves zip archives
 * to zip-archive.ts, passwords of RAR archives to rar-locks.ts, and all else to bsdtar.
 */
import type { Unlisted } from '../mail/content/content.js';
import { ArchiveFile, type RunEnd } from './bsdtar.js';
import { isLockedRar } from './rar-locks.js';
import { unpacked, zipListing, type ZipListing } from './zip-archive.js';

/** Our choices, for all archives of a mail together but for the depth. */
const limits = { depth: 3, archives: 20, runs: 6, octets: 64 << 20, names: 10_000, listing: 4 << 20 } as const;

/** What is left of the limits to a mail. */
export interface ArchiveBudget {
  archives: number;
  /** So often bsdtar may still be started. */
  runs: number;
  octets: number;
}

export const archiveBudget = (): ArchiveBudget => {
  const { archives, runs, octets } = limits;
  return { archives, runs, octets };
};

export interface FirstLook extends ZipListing {
  /** Would a closer look find more? */
  readonly isPacked: boolean;
}

/** undefined: a zip archive with more names than anybody needs. */
export function firstLook(octets: Buffer): FirstLook | undefined {
  const zip = zipListing(octets);
  return (
    zip && {
      names: zip.names,
      isEncrypted: zip.isEncrypted || isLockedRar(octets),
      isPacked: isForBsdtar(octets) || zip.names.some(isArchiveName),
    }
  );
}

/** By its beginning, whatever the mail calls it; tar has its mark further on, as has iso. */
function isForBsdtar(octets: Buffer): boolean {
  const beginning = octets.toString('latin1', 0, 8);
  return (
    /^(?:7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|\x1f\x8b|BZh[1-9]|\xfd7zXZ\0|\x28\xb5\x2f\xfd|MSCF|..-l[hz])/s.test(
      beginning,
    ) ||
    octets.toString('latin1', 257, 262) === 'ustar' ||
    octets.toString('latin1', 32_769, 32_774) === 'CD001'
  );
}

const isArchiveName = (name: string): boolean =>
  /\.(?:zip|jar|7z|rar|tar|t?gz|tbz2?|bz2|txz|xz|zst|iso|img|cab|lzh|lha|arj)[. ]*$/i.test(name);

export interface CloserLook {
  readonly names: readonly string[];
  readonly isEncrypted: boolean;
  /** Why there may be more. */
  readonly unlisted: Unlisted | undefined;
}

/** Lists what is packed, within what is left of the budget. Rejects where there is no place for a temporary file. */
export async function closerLook(octets: Buffer, budget: ArchiveBudget): Promise<CloserLook> {
  const found: Opened = { names: new Set(), isEncrypted: false, budget };
  const closed = (unlisted: Unlisted | undefined): CloserLook => ({ ...found, names: [...found.names], unlisted });
  try {
    await open(octets, found, 1);
    return closed(undefined);
  } catch (error) {
    if (error instanceof Closed) return closed(error.unlisted);
    if (error instanceof RangeError) return closed({ kind: 'beyond limits', why: 'too much is packed into it' });
    throw error;
  }
}

interface Opened {
  readonly names: Set<string>;
  isEncrypted: boolean;
  readonly budget: ArchiveBudget;
}

class Closed extends Error {
  readonly unlisted: Unlisted;

  constructor(unlisted: Unlisted) {
    super(unlisted.why);
    this.unlisted = unlisted;
  }
}

const beyond = (why: string): Closed => new Closed({ kind: 'beyond limits', why });

async function open(octets: Buffer, found: Opened, depth: number): Promise<void> {
  if (depth > limits.depth) throw beyond(`archives in archives, deeper than ${limits.depth}`);
  if (found.budget.archives-- === 0) throw beyond(`more than ${limits.archives} archives`);
  const zip = zipListing(octets);
  if (zip === undefined) throw beyond('too many names');
  take(zip.names, found);
  found.isEncrypted ||= zip.isEncrypted || isLockedRar(octets);
  const maxOctets = (): number => found.budget.octets;
  for (const inner of unpacked(octets, { isWanted: isArchiveName, maxOctets })) await openInner(inner, found, depth);
  if (isForBsdtar(octets)) await openFile(octets, found, depth);
}

function openInner(inner: Buffer, found: Opened, depth: number): Promise<void> {
  found.budget.octets -= inner.length;
  return open(inner, found, depth + 1);
}

function take(names: readonly string[], found: Opened): void {
  for (const name of names) found.names.add(name);
  if (found.names.size > limits.names) throw beyond('too many names');
}

async function openFile(octets: Buffer, found: Opened, depth: number): Promise<void> {
  const file = new ArchiveFile(octets);
  const run = async (how: () => Promise<RunEnd>): Promise<RunOutput> => {
    if (found.budget.runs-- === 0) throw beyond(`archives that take more than ${limits.runs} runs of bsdtar`);
    return outputOf(await how());
  };
  try {
    const { output, said } = await run(() => file.list(limits.listing));
    const names = output
      .toString('utf8')
      .split('\n')
      .filter((name) => name !== '');
    take(names, found);
    const isSilent = names.length > 0 && !found.isEncrypted;
    found.isEncrypted ||= isLocked(said) || (isSilent && isLocked((await run(() => file.firstOctets())).said));
    for (const name of names.filter(isArchiveName)) {
      // It writes what is no letter as \001, and finds no such name again.
      if (name.includes('\\')) throw beyond('an archive in it has a name that nobody can write');
      const inner = await run(() => file.entry(name, found.budget.octets));
      await openInner(inner.output, found, depth);
    }
  } finally {
    file.close();
  }
}

const isLocked = (said: string): boolean => /encrypt|passphrase/i.test(said);

type RunOutput = Extract<RunEnd, { readonly kind: 'ended' }>;

function outputOf(end: RunEnd): RunOutput {
  switch (end.kind) {
    case 'ended':
      return end;
    case 'beyond limits':
      throw beyond(end.why);
    case 'late':
      throw new Closed({ kind: 'late', why: 'it cannot be listed in time now' });
    case 'missing':
      throw new Closed({ kind: 'no program', why: 'bsdtar is not installed' });
  }
}
