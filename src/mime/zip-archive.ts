/**
 * What a zip archive lists (APPNOTE 6.3.10 §4.3.7, §4.3.12), found by its headers wherever these stand. A reader that
 * checks what it reads refuses archives that unpackers open all the same: here a name that is there counts. Only
 * archives in it are unpacked, and only when somebody asks.
 */
import { constants, inflateRawSync } from 'node:zlib';

/** Both kinds of header: signature, where flags and the name's length stand, where the name begins. */
const headers = [
  { signature: Buffer.from('PK\x03\x04'), flagsAt: 6, lengthAt: 26, nameAt: 30 }, // local file header
  { signature: Buffer.from('PK\x01\x02'), flagsAt: 8, lengthAt: 28, nameAt: 46 }, // central directory
] as const;

const maxNames = 10_000;
/** Archives in it that cannot be unpacked, each tried in vain: more are there only to take time. */
const maxBroken = 20;
const maxName = 1024; // octets; of a longer one the end is taken, where its extension is

export interface ZipListing {
  /** In UTF-8, what is none replaced; each once. */
  readonly names: readonly string[];
  /** Is there a password on any of it? */
  readonly isEncrypted: boolean;
}

/** undefined: there are more names than anybody needs. */
export function zipListing(octets: Buffer): ZipListing | undefined {
  const names = new Set<string>();
  let isEncrypted = false;
  for (const { signature, flagsAt, lengthAt, nameAt } of headers) {
    for (let at = octets.indexOf(signature); at >= 0; at = octets.indexOf(signature, at + 4)) {
      if (at + nameAt > octets.length) break;
      const end = Math.min(at + nameAt + octets.readUInt16LE(at + lengthAt), octets.length);
      const name = octets.subarray(Math.max(at + nameAt, end - maxName), end);
      if (name.length > 0) names.add(name.toString('utf8'));
      isEncrypted ||= name.length > 0 && (octets.readUInt16LE(at + flagsAt) & 1) === 1;
      if (names.size > maxNames) return undefined;
    }
  }
  return { names: [...names], isEncrypted };
}

/**
 * The entries of which the name is wanted, unpacked. Stored ones need not be: their own headers are found as they
 * stand. Throws a RangeError where one is larger than `maxOctets()`; what cannot be unpacked is passed over,
 * unless there is too much of it.
 */
export function* unpacked(
  octets: Buffer,
  { isWanted, maxOctets }: { readonly isWanted: (name: string) => boolean; readonly maxOctets: () => number },
): Generator<Buffer> {
  const [{ signature, flagsAt }] = headers;
  let broken = 0;
  for (let at = octets.indexOf(signature); at >= 0; at = octets.indexOf(signature, at + 4)) {
    if (at + 30 > octets.length) return;
    const name = at + 30 + octets.readUInt16LE(at + 26);
    const isLocked = (octets.readUInt16LE(at + flagsAt) & 1) === 1;
    const isDeflated = octets.readUInt16LE(at + 8) === 8;
    if (isLocked || !isDeflated || !isWanted(octets.toString('utf8', at + 30, name))) continue;
    const inflated = inflate(octets.subarray(name + octets.readUInt16LE(at + 28)), maxOctets());
    if (inflated) yield inflated;
    else if (++broken > maxBroken) throw new RangeError('too much that cannot be unpacked');
  }
}

/** What stands behind its end is no part of it, and one that is cut off is worth a look. */
function inflate(octets: Buffer, maxOctets: number): Buffer | undefined {
  try {
    return inflateRawSync(octets, { maxOutputLength: Math.max(1, maxOctets), finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    if (error instanceof RangeError) throw error;
    return undefined;
  }
}
