/**
 * Reads a file of lines from its end to its beginning, a stretch at a time, and keeps only the lines that a search may
 * want. Others may append meanwhile. Leaves opening the file and what stands in a line to its callers.
 */

export interface LineAt {
  /** Octets from the beginning of the file. */
  readonly start: number;
  /** The newline is not among them. */
  readonly octets: Buffer;
}

export interface LinesToRead {
  /** Octets of the file, as it was when the search began: what is appended later is not seen. */
  readonly size: number;
  /** Reads these octets of the file; fewer or none where the file is not what it was. */
  readonly read: (from: number, end: number) => Buffer;
  /** It is true where nearly all lines are wanted, so that the reader soon has enough. */
  readonly nearlyAll: boolean;
}

/**
 * A stretch's size at first and at most, in octets. It begins small because most readers want only the newest lines.
 * It stays below what the allocator maps anew each time (128 KB): the kernel would spend longer on those pages than
 * the search on what is in them.
 */
const minStretch = 4_096;
const maxStretch = 65_536;

const lf = 0x0a;

export class BackwardLines {
  readonly #read: LinesToRead['read'];
  /** Octets before this one have not been read yet. */
  #unread: number;
  #stretch: number;

  constructor({ size, read, nearlyAll }: LinesToRead) {
    this.#read = read;
    this.#unread = size;
    this.#stretch = nearlyAll ? minStretch : maxStretch;
  }

  /** Has the beginning of the file been read? */
  get done(): boolean {
    return this.#unread === 0;
  }

  /** The next stretch of whole lines; undefined where it holds none, and the next one is to be read. */
  next(): LineAt | undefined {
    const end = this.#unread;
    const from = Math.max(0, end - this.#stretch);
    const octets = this.#read(from, end);
    // The first line of a stretch may have begun before it.
    const cut = from === 0 ? 0 : octets.indexOf(lf) + 1;
    const isLong = from > 0 && (cut === 0 || cut === octets.length);
    if (isLong && this.#stretch < maxStretch) {
      this.#stretch *= 4;
      return undefined;
    }
    this.#unread = isLong ? from : from + cut;
    this.#stretch = Math.min(maxStretch, this.#stretch * 4);
    return { start: this.#unread, octets: octets.subarray(isLong ? octets.length : cut) };
  }
}

/** The lines of a stretch in order; where a pattern is given, only those whose octets (as latin1) meet it. */
export const linesIn = ({ octets, start }: LineAt, prefilter?: RegExp): LineAt[] =>
  prefilter === undefined ? linesOf(octets, start) : linesWith(octets, start, prefilter);

function linesOf(octets: Buffer, base: number): LineAt[] {
  const lines: LineAt[] = [];
  for (let start = 0; start < octets.length;) {
    const end = octets.indexOf(lf, start);
    const stop = end < 0 ? octets.length : end;
    if (stop > start) lines.push({ start: base + start, octets: octets.subarray(start, stop) });
    start = stop + 1;
  }
  return lines;
}

/** Only lines that meet the pattern; the others are not even looked for. */
function linesWith(octets: Buffer, base: number, pattern: RegExp): LineAt[] {
  const text = octets.toString('latin1');
  const lines: LineAt[] = [];
  pattern.lastIndex = 0;
  for (let hit = pattern.exec(text); hit; hit = pattern.exec(text)) {
    const line = lineAround(octets, hit.index, base);
    lines.push(line);
    pattern.lastIndex = line.start - base + line.octets.length;
  }
  // A copy: a few lines must not keep the whole stretch in memory.
  return lines.map(({ start, octets: line }) => ({ start, octets: Buffer.from(line) }));
}

/** The line that holds the octet `at`; `base` is where the octets begin in the file. */
export function lineAround(octets: Buffer, at: number, base: number): LineAt {
  const start = at === 0 ? 0 : octets.lastIndexOf(lf, at - 1) + 1;
  const end = octets.indexOf(lf, at);
  return { start: base + start, octets: octets.subarray(start, end < 0 ? octets.length : end) };
}
