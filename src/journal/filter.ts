/**
 * Which addresses, domains and ids an hour of the journal holds: a Bloom filter in a file beside it, which says "not
 * here" or "perhaps". One look costs one read of 64 octets. It counts only for a file of the size that it was made of,
 * and each block has its own sum: where something is torn, the answer is "perhaps".
 *
 *     head    64 octets: magic, version, flags, blocks, octets of the hour's file, sum
 *     blocks  64 octets each: 60 of bits, then their sum with the block's number
 */
import fs from 'node:fs';
import { openToRead } from '../quarantine/disk/regular.js';
import { hash64 } from './hash.js';
import type { JournalHour } from './hours.js';

const magic = 'PBLM';
const version = 1;
const block = 64;
const bitsInBlock = 480;
/** One wrong "perhaps" in some hundred. */
const bitsPerToken = 12;
const looks = 6;

const masked = 1;

export interface FilterHead {
  readonly blocks: number;
  /** Octets of the hour's file. */
  readonly size: number;
  /** Have the hour's lines been masked? */
  readonly masked: boolean;
}

/** The octets of a filter file. */
export function filterOf(tokens: ReadonlySet<string>, { size, masked: isMasked }: Omit<FilterHead, 'blocks'>): Buffer {
  const blocks = Math.max(1, Math.ceil((tokens.size * bitsPerToken) / bitsInBlock));
  const octets = Buffer.alloc(block * (blocks + 1));
  octets.write(magic, 'latin1');
  octets.writeUInt16LE(version, 4);
  octets.writeUInt16LE(isMasked ? masked : 0, 6);
  octets.writeUInt32LE(blocks, 8);
  octets.writeDoubleLE(size, 12);
  octets.writeUInt32LE(sumOf(octets, 0, 60, 0), 60);
  for (const token of tokens) {
    const { at, first, step } = placeOf(token, blocks);
    for (let i = 0, bit = first; i < looks; i++, bit = (bit + step) % bitsInBlock)
      octets[at + (bit >> 3)] = (octets[at + (bit >> 3)] ?? 0) | (1 << (bit & 7));
  }
  for (let i = 1; i <= blocks; i++) octets.writeUInt32LE(sumOf(octets, i * block, 60, i), i * block + 60);
  return octets;
}

interface TokenPlace {
  /** Where its block begins in the file. */
  readonly at: number;
  /** Its first bit in the block, and how far it is to the next. */
  readonly first: number;
  readonly step: number;
}

function placeOf(token: string, blocks: number): TokenPlace {
  const { high, low } = hash64(token);
  return {
    at: block * (1 + (high % blocks)),
    first: (low >>> 16) % bitsInBlock,
    step: 1 + (low % (bitsInBlock - 1)),
  };
}

function sumOf(octets: Buffer, start: number, length: number, number: number): number {
  let sum = 0x811c9dc5 ^ number;
  for (let i = start; i < start + length; i++) sum = Math.imul(sum ^ (octets[i] ?? 0), 0x01000193);
  return sum >>> 0;
}

function headOf(octets: Buffer): FilterHead | undefined {
  if (octets.length < block || octets.toString('latin1', 0, 4) !== magic) return undefined;
  if (octets.readUInt16LE(4) !== version || octets.readUInt32LE(60) !== sumOf(octets, 0, 60, 0)) return undefined;
  const blocks = octets.readUInt32LE(8);
  return { blocks, size: octets.readDoubleLE(12), masked: (octets.readUInt16LE(6) & masked) !== 0 };
}

/** False where the hour certainly does not hold all of these. */
export function mayHold(hour: JournalHour, tokens: readonly string[]): boolean {
  if (tokens.length === 0) return true;
  const fd = openToRead(hour.filter);
  if (fd === undefined) return true;
  try {
    const head = headOf(read(fd, 0));
    if (!head || head.size !== fs.statSync(hour.file, { throwIfNoEntry: false })?.size) return true;
    return tokens.every((token) => holds(fd, token, head.blocks));
  } finally {
    fs.closeSync(fd);
  }
}

function holds(fd: number, token: string, blocks: number): boolean {
  const { at, first, step } = placeOf(token, blocks);
  const octets = read(fd, at);
  const isTorn = octets.length < block || octets.readUInt32LE(60) !== sumOf(octets, 0, 60, at / block);
  if (isTorn) return true;
  for (let i = 0, bit = first; i < looks; i++, bit = (bit + step) % bitsInBlock)
    if (((octets[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
  return true;
}

function read(fd: number, at: number): Buffer {
  const octets = Buffer.alloc(block);
  return octets.subarray(0, fs.readSync(fd, octets, 0, block, at));
}

/** What the filter of an hour says of itself; undefined where there is none, or any of it is torn. Reads all of it. */
export function wholeFilter({ filter }: JournalHour): FilterHead | undefined {
  const fd = openToRead(filter);
  if (fd === undefined) return undefined;
  try {
    const octets = fs.readFileSync(fd);
    const head = headOf(octets);
    if (!head || octets.length !== block * (head.blocks + 1)) return undefined;
    for (let i = 1; i <= head.blocks; i++)
      if (octets.readUInt32LE(i * block + 60) !== sumOf(octets, i * block, 60, i)) return undefined;
    return head;
  } finally {
    fs.closeSync(fd);
  }
}
