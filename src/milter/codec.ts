/**
 * The framing of the milter protocol, both ways: u32 length (of code and data) · one octet code · data. Incremental:
 * a stream may be cut anywhere. What the data means is `command` and `response`.
 *
 * Nothing is allocated for a frame that lies in one piece, and never more than twice what has arrived of one that
 * does not: an announced length alone costs nothing.
 */

/** Octets a frame may announce, its code included: 65,535 of data (MILTER_MAX_DATA_SIZE). */
export const defaultFrameLimit = 65_536;

const lengthOctets = 4;

/**
 * Takes octets in, gives frames out: `push`, then `next` until there is no more. After `true` the frame is in `code`,
 * `octets`, `start` and `end`, until the next call.
 */
export class FrameReader {
  /** The frame's code octet. */
  code = 0;
  /** The frame's data are `octets` from `start` to before `end`. */
  octets: Buffer = nothing;
  start = 0;
  end = 0;
  /** The stream holds a length that is 0 or over the limit; nothing can be read behind it. */
  broken: string | undefined;

  /** Octets a frame may announce. It may be raised between frames. */
  limit: number;
  /** What was pushed last, and how far it is read. */
  #chunk: Buffer = nothing;
  #at = 0;
  /** The beginning of a frame whose end has not come. */
  #partial: Buffer | undefined;
  #filled = 0;

  constructor(limit: number = defaultFrameLimit) {
    this.limit = limit;
  }

  /**
   * Adds octets; those pushed before must have been read (`next` said false). They are not copied, and must not
   * change.
   */
  push(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  next(): boolean {
    if (this.broken !== undefined) return false;
    if (this.#partial) return this.#complete(this.#partial);
    const available = this.#chunk.length - this.#at;
    if (available < lengthOctets) return this.#keep(available);
    const size = this.#frameSize(this.#chunk, this.#at);
    if (size === 0) return false;
    if (available < size) return this.#keep(available);
    this.#give(this.#chunk, this.#at, size);
    this.#at += size;
    return true;
  }

  /** Octets of the whole frame that begins there; 0 for a broken one. */
  #frameSize(octets: Buffer, at: number): number {
    const length = octets.readUInt32BE(at);
    if (length >= 1 && length <= this.limit) return lengthOctets + length;
    this.broken = length === 0 ? 'a frame of length 0' : `a frame of ${length} octets, over ${this.limit}`;
    this.#chunk = nothing;
    this.#partial = undefined;
    return 0;
  }

  #give(octets: Buffer, at: number, size: number): void {
    this.code = octets[at + lengthOctets] ?? 0;
    this.octets = octets;
    this.start = at + lengthOctets + 1;
    this.end = at + size;
  }

  /** Copies the rest: the chunk may be far larger than what is left of it. */
  #keep(available: number): false {
    if (available > 0) {
      this.#partial = Buffer.from(this.#chunk.subarray(this.#at));
      this.#filled = available;
    }
    this.#chunk = nothing;
    this.#at = 0;
    return false;
  }

  #complete(partial: Buffer): boolean {
    if (!this.#fill(partial, lengthOctets)) return false;
    const size = this.#frameSize(this.#partial ?? nothing, 0);
    if (size === 0 || !this.#fill(this.#partial ?? nothing, size)) return false;
    this.#give(this.#partial ?? nothing, 0, size);
    this.#partial = undefined;
    this.#filled = 0;
    return true;
  }

  /** Moves octets over until the partial frame has that many; false when there are not enough. */
  #fill(partial: Buffer, wanted: number): boolean {
    const moved = Math.max(0, Math.min(wanted - this.#filled, this.#chunk.length - this.#at));
    const target = this.#withRoom(partial, this.#filled + moved, wanted);
    this.#chunk.copy(target, this.#filled, this.#at, this.#at + moved);
    this.#at += moved;
    this.#filled += moved;
    if (this.#filled >= wanted) return true;
    this.#chunk = nothing;
    this.#at = 0;
    return false;
  }

  #withRoom(partial: Buffer, needed: number, wanted: number): Buffer {
    if (partial.length >= needed) return partial;
    const larger = Buffer.allocUnsafeSlow(Math.min(wanted, Math.max(needed, 2 * partial.length)));
    partial.copy(larger, 0, 0, this.#filled);
    this.#partial = larger;
    return larger;
  }
}

const nothing = Buffer.alloc(0);

/** A frame: `code` is one ASCII character, data strings are octets, one to a character. */
export function frame(code: string, ...data: readonly (string | Uint8Array)[]): Buffer {
  const octets = data.reduce((sum, part) => sum + part.length, 1);
  const out = Buffer.allocUnsafe(lengthOctets + octets);
  out.writeUInt32BE(octets, 0);
  out.write(code, lengthOctets, 'latin1');
  let at = lengthOctets + 1;
  for (const part of data) {
    if (typeof part === 'string') out.write(part, at, 'latin1');
    else out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A 32-bit unsigned integer in network order, one octet to a character. */
export const u32 = (value: number): string =>
  String.fromCharCode(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);

/** The NUL-terminated strings of some data; undefined where the last of them has no end. */
export function stringsOf(octets: Buffer, start: number, end: number): string[] | undefined {
  if (start === end) return [];
  if (octets[end - 1] !== 0) return undefined;
  const text = octets.toString('latin1', start, end);
  const strings: string[] = [];
  // By hand: it takes half of the time of split().
  for (let from = 0, nul = text.indexOf('\0'); nul >= 0; from = nul + 1, nul = text.indexOf('\0', from))
    strings.push(text.slice(from, nul));
  return strings;
}
