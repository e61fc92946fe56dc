/**
 * Is there a password on a RAR archive? bsdtar lists such archives and does not say. Reads the blocks of both formats
 * as far as they make sense (RAR 5.0 archive format, rarlab.com/technote.htm; for RAR 4, unrar's technote.txt).
 */

const signatures = {
  four: Buffer.from('Rar!\x1a\x07\0', 'latin1'),
  five: Buffer.from('Rar!\x1a\x07\x01\0', 'latin1'),
} as const;

/** An archive is more than this many blocks only where somebody wants it to be slow. */
const maxBlocks = 20_000;

export function isLockedRar(octets: Buffer): boolean {
  const [blocks, at] = octets.subarray(0, 8).equals(signatures.five)
    ? [blocksOfFive, 8]
    : octets.subarray(0, 7).equals(signatures.four)
      ? [blocksOfFour, 7]
      : [undefined, 0];
  if (blocks === undefined) return false;
  let count = 0;
  for (const isLocked of blocks(octets, at)) if (isLocked || ++count > maxBlocks) return isLocked;
  return false;
}

/** Yields for each block whether it says that there is a password. */
function* blocksOfFour(octets: Buffer, start: number): Generator<boolean> {
  for (let at = start; at + 11 <= octets.length;) {
    const type = octets.readUInt8(at + 2);
    const flags = octets.readUInt16LE(at + 3);
    const size = octets.readUInt16LE(at + 5);
    if (size < 7) return;
    yield (type === 0x73 && (flags & 0x80) !== 0) || (type === 0x74 && (flags & 0x04) !== 0);
    at += size + ((flags & 0x8000) === 0 ? 0 : octets.readUInt32LE(at + 7));
  }
}

function* blocksOfFive(octets: Buffer, start: number): Generator<boolean> {
  for (let at = start; at + 4 < octets.length;) {
    const size = numberAt(octets, at + 4);
    const end = size.next + size.value;
    if (size.value === 0 || end > octets.length) return;
    const type = numberAt(octets, size.next);
    const flags = numberAt(octets, type.next);
    const extra = (flags.value & 1) === 0 ? { value: 0, next: flags.next } : numberAt(octets, flags.next);
    const data = (flags.value & 2) === 0 ? 0 : numberAt(octets, extra.next).value;
    yield type.value === 4 || (type.value === 2 && hasLock(octets.subarray(Math.max(0, end - extra.value), end)));
    at = end + data;
  }
}

/** Records of a file's extra area: each has its size, and its type, of which 1 is a password. */
function hasLock(extra: Buffer): boolean {
  for (let at = 0; at < extra.length;) {
    const size = numberAt(extra, at);
    if (numberAt(extra, size.next).value === 1) return true;
    at = size.next + Math.max(1, size.value);
  }
  return false;
}

/** Seven bits an octet, the lowest first; the highest bit says that there is more. */
function numberAt(octets: Buffer, at: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let i = 0; i < 7; i++) {
    const octet = octets[at + i] ?? 0;
    value += (octet & 0x7f) * 2 ** (7 * i);
    if (octet < 0x80) return { value, next: at + i + 1 };
  }
  return { value: Number.MAX_SAFE_INTEGER, next: at + 7 };
}
