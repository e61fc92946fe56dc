/**
 * How many mails the quarantine holds, how many octets, and how old the oldest is. What an index says is remembered
 * until the file changes, so that only what was written to since is read again.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { BackwardIndex } from './backwards.js';
import { daysIn, type IndexFile, indexesOf } from './days.js';

export interface QuarantineSize {
  readonly messages: number;
  readonly octets: number;
  /** When the oldest mail was archived, in milliseconds since 1970; Infinity where there is none. */
  readonly oldest: number;
}

interface KnownIndex extends QuarantineSize {
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
}

const nothing: QuarantineSize = { messages: 0, octets: 0, oldest: Infinity };

export class QuarantineMeasure {
  readonly #root: string;
  #known: ReadonlyMap<string, KnownIndex> = new Map();

  /** `root` is /spam. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Throws where a folder cannot be read. */
  async measure(now: Date): Promise<QuarantineSize> {
    const found = new Map<string, KnownIndex>();
    for (const day of daysIn(this.#root, now))
      for (const file of indexesOf(this.#root, day)) {
        const known = this.#known.get(file.path);
        found.set(file.path, known && isSame(known, file) ? known : await read(file));
      }
    this.#known = found;
    return [...found.values()].reduce<QuarantineSize>(sum, nothing);
  }
}

const isSame = (known: KnownIndex, file: IndexFile): boolean =>
  known.ino === file.ino && known.size === file.size && known.mtimeMs === file.mtimeMs;

const sum = (a: QuarantineSize, b: QuarantineSize): QuarantineSize => ({
  messages: a.messages + b.messages,
  octets: a.octets + b.octets,
  oldest: Math.min(a.oldest, b.oldest),
});

async function read(file: IndexFile): Promise<KnownIndex> {
  const index = new BackwardIndex(file, { nearlyAll: true });
  let [messages, octets, oldest] = [0, 0, Infinity];
  while (!index.done) {
    index.read();
    for (let found = index.take(); found; found = index.take()) {
      const { filename, size, time } = found.entry;
      if (index.marks.get(filename)?.kind === 'deleted') continue;
      messages++;
      octets += size;
      oldest = Math.min(oldest, Date.parse(time) || Infinity);
    }
    await breathe();
  }
  const { ino, size, mtimeMs } = file;
  return { messages, octets, oldest, ino, size, mtimeMs };
}
