/**
 * Reads an index while others append to it: a line is complete or absent, what is broken is skipped, and a good line
 * glued behind a torn one is found. Writes nothing.
 */
import fs from 'node:fs';
import { lineStart } from '../../lines/json-line.js';
import { type IndexEntry, parseEntry } from './index-entry.js';
import { type Mark, parseMark } from './mark.js';
import { beginningOf, openToRead } from './regular.js';

/** A stretch of a line: an entry, a mark on an earlier one, or octets that are neither. */
export interface Piece {
  /** Octets from the beginning of the file. */
  readonly start: number;
  /** Octets, the newline not counted. */
  readonly length: number;
  readonly entry?: IndexEntry;
  readonly mark?: Mark;
}

/** A line of more octets is none of ours and is not looked at. */
const maxForeignLine = 1_048_576;

/**
 * Every non-empty line in pieces; none when there is no index. A last line without its newline counts where it is
 * whole otherwise. Broken IO throws.
 */
export async function* readPieces(path: string): AsyncGenerator<Piece> {
  let held: Buffer[] = [];
  let heldLength = 0;
  let start = 0;
  for await (const chunk of chunksOf(path)) {
    let from = 0;
    for (let lf = chunk.indexOf(0x0a); lf >= 0; lf = chunk.indexOf(0x0a, from)) {
      const length = heldLength + lf - from;
      if (length <= maxForeignLine) yield* piecesOf(Buffer.concat([...held, chunk.subarray(from, lf)]), start);
      start += length + 1;
      [held, heldLength, from] = [[], 0, lf + 1];
    }
    heldLength += chunk.length - from;
    held = heldLength <= maxForeignLine ? [...held, chunk.subarray(from)] : [];
  }
  for (const piece of piecesOf(Buffer.concat(held), start)) if (piece.entry ?? piece.mark) yield piece;
}

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  const fd = openToRead(path);
  if (fd === undefined) return;
  for await (const chunk of fs.createReadStream(path, { fd }))
    yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
}

/** The pieces of one line that begins at octet `start` of its file. */
export function piecesOf(line: Buffer, start: number): readonly Piece[] {
  if (line.length === 0) return [];
  const whole = pieceOf(line, start);
  if (whole.entry ?? whole.mark) return [whole];
  const cuts = [0];
  for (let at = line.indexOf(lineStart, 1); at >= 0; at = line.indexOf(lineStart, at + 1)) cuts.push(at);
  return cuts.map((from, i) => pieceOf(line.subarray(from, cuts[i + 1] ?? line.length), start + from));
}

function pieceOf(octets: Buffer, start: number): Piece {
  const text = octets.toString();
  const entry = parseEntry(text);
  if (entry) return { start, length: octets.length, entry };
  const mark = parseMark(text);
  return { start, length: octets.length, ...(mark && { mark }) };
}

/** The first readable entry near the beginning of the file: how old is this index? Undefined when there is none. */
export function firstEntry(path: string): IndexEntry | undefined {
  const octets = beginningOf(path, 65_536) ?? Buffer.alloc(0);
  for (let start = 0; start < octets.length;) {
    const lf = octets.indexOf(0x0a, start);
    const end = lf < 0 ? octets.length : lf;
    const good = piecesOf(octets.subarray(start, end), start).find((piece) => piece.entry);
    if (good) return good.entry;
    start = end + 1;
  }
  return undefined;
}
