/**
 * The body of a message on its way to whoever hashes it: in pieces small enough that other sessions get their turn
 * between two of them. And how long it is once it is canonical (RFC 6376 §3.4.3, §3.4.4).
 */
import { setImmediate as otherSessions } from 'node:timers/promises';
import type { MessageSource } from '../mail/message.js';

/** Hashing this much takes about a millisecond. */
const pieceOctets = 65_536;

/** The body: what follows the header section of `headerSize` octets and the empty line. */
export async function* bodyOf(message: MessageSource, headerSize: number): AsyncIterable<Buffer> {
  let skip = headerSize + 2;
  for await (const part of message.parts()) {
    const body = part.subarray(Math.min(skip, part.length));
    skip -= part.length - body.length;
    for (let at = 0; at < body.length; at += pieceOctets) {
      yield body.subarray(at, at + pieceOctets);
      await otherSessions();
    }
  }
}

export type Canonicalization = 'simple' | 'relaxed';

const space = 0x20;
const tab = 0x09;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;

/** Octets of the canonical body. Lines end in CRLF. */
export async function canonicalLength(
  body: AsyncIterable<Buffer>,
  canonicalization: Canonicalization,
): Promise<number> {
  const isRelaxed = canonicalization === 'relaxed';
  let length = 0;
  /** Line ends and white space that count if something follows. */
  let lineEnds = 0;
  let isSpace = false;
  for await (const piece of body)
    for (const octet of piece) {
      if (octet === carriageReturn) continue;
      if (octet === lineFeed) {
        lineEnds++;
        isSpace = false;
      } else if (isRelaxed && (octet === space || octet === tab)) isSpace = true;
      else {
        length += 2 * lineEnds + (isSpace ? 2 : 1);
        lineEnds = 0;
        isSpace = false;
      }
    }
  return isRelaxed && length === 0 ? 0 : length + 2;
}
