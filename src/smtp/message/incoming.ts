/**
 * A message while it is being received. The header section always stays in memory; the body does while it is small or
 * the shared pool has room, beyond that it goes to a spool file that is unlinked as soon as it is open, so that a
 * crash leaves nothing behind.
 */
import { Buffer } from 'node:buffer';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { MessageSource } from '../../mail/message.js';
import type { MemoryPool } from './memory-pool.js';

export interface IncomingLimits {
  /** Octets. */
  readonly maxSize: number;
  readonly maxHeaderSize: number;
  /** Octets a message may hold in memory. */
  readonly memory: number;
  /** From it a message borrows what it holds beyond that, before it is on disk. */
  readonly pool: MemoryPool;
  readonly spoolDir: string;
}

/** Why a message cannot be taken, once it is read to its end. */
export type IncomingProblem =
  | { readonly kind: 'too large' }
  | { readonly kind: 'header too large' }
  | { readonly kind: 'spool'; readonly full: boolean; readonly log: string };

const maxSmallChunks = 64;
const smallChunk = 1024; // octets

const CR = 0x0d;
const nothing = Buffer.alloc(0);
const lineEnd = Buffer.from('\r\n');
const blankLine = Buffer.from('\r\n\r\n');

/** `From x@y Sat …`, `>From …` (RFC 4155). */
const mailboxSeparator = /^>*From /;
/** Our choice: more octets of it are not looked at. */
const maxSeparator = 64;
const mailboxField = Buffer.from('X-Mailbox-Line: ');

export class IncomingMessage implements MessageSource {
  readonly #limits: IncomingLimits;
  readonly #id: string;
  #size = 0;
  #held: Buffer[] = [];
  #heldSize = 0;
  /** It is how many octets were taken from the pool. */
  #borrowed = 0;
  #header: Buffer | undefined;
  /** What the end of the header section may have begun with. */
  #tail: Buffer = lineEnd;
  #spool: FileHandle | undefined;
  #spooled = 0;
  #problem: IncomingProblem | undefined;
  #discarded = false;
  #isDotless = false;

  constructor(id: string, limits: IncomingLimits) {
    this.#id = id;
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  get isDotless(): boolean {
    return this.#isDotless;
  }

  get problem(): IncomingProblem | undefined {
    return this.#problem;
  }

  /** The header section with the empty line behind it, if that came; to be asked once the message is whole. */
  get header(): Buffer {
    return this.#header ?? nothing;
  }

  /** The message is whole. Without an empty line all of it is header. */
  end(isDotless = false): void {
    this.#isDotless = isDotless;
    if (!this.#header && !this.#problem) this.#keepHeader(this.#size);
  }

  /** Takes the next octets. A promise where the caller has to wait for the disk. Never throws. */
  write(chunk: Buffer): void | Promise<void> {
    const before = this.#size;
    this.#size += chunk.length;
    if (this.#problem || chunk.length === 0) return undefined;
    if (this.#size > this.#limits.maxSize) return this.#fail({ kind: 'too large' });
    this.#hold(chunk);
    if (!this.#header) this.#lookForHeader(chunk, before);
    if (this.#problem || !this.#header || this.#fitsInMemory()) return undefined;
    return this.#spill();
  }

  #fitsInMemory(): boolean {
    const { memory, pool } = this.#limits;
    const wanted = this.#heldSize - memory - this.#borrowed;
    if (wanted <= 0) return true;
    if (this.#spool !== undefined || !pool.take(wanted)) return false;
    this.#borrowed += wanted;
    return true;
  }

  #giveBack(): void {
    this.#limits.pool.give(this.#borrowed);
    this.#borrowed = 0;
  }

  /** Octets that trickle in cost a Buffer each, many times their size: they are put together. */
  #hold(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#heldSize += chunk.length;
    const { length } = this.#held;
    if (length > maxSmallChunks && this.#heldSize / length < smallChunk) this.#held = [Buffer.concat(this.#held)];
  }

  /**
   * Looks at new octets only; the line end that stands before a message makes an empty header section one like any
   * other.
   */
  #lookForHeader(chunk: Buffer, before: number): void {
    // Most messages come with their header whole, in one chunk.
    const whole = before === 0 && chunk[0] !== CR ? chunk.indexOf(blankLine) : -1;
    if (whole >= 0 && whole + blankLine.length <= this.#limits.maxHeaderSize)
      return this.#keepHeader(whole + blankLine.length);
    const seam = Buffer.concat([this.#tail, chunk.subarray(0, 3)]);
    const [inSeam, inChunk] = [seam.indexOf(blankLine), chunk.indexOf(blankLine)];
    const at = inSeam >= 0 ? inSeam - this.#tail.length : inChunk;
    const end = inSeam >= 0 || inChunk >= 0 ? before + at + blankLine.length : undefined;
    this.#tail = Buffer.concat([seam, chunk.subarray(3)].map((octets) => octets.subarray(-3))).subarray(-3);
    if ((end ?? this.#size) > this.#limits.maxHeaderSize) void this.#fail({ kind: 'header too large' });
    else if (end !== undefined) this.#keepHeader(end);
  }

  /**
   * A message that begins with a mailbox separator (scripts and formail send such): as a field that line does not end
   * the header for whoever reads it, as in Postfix.
   */
  #keepHeader(end: number): void {
    if (mailboxSeparator.test(this.#beginning())) {
      this.#held.unshift(mailboxField);
      this.#heldSize += mailboxField.length;
      this.#size += mailboxField.length;
      return this.#keepHeader(end + mailboxField.length);
    }
    const [first = nothing] = this.#held;
    this.#header = (first.length >= end ? first : Buffer.concat(this.#held)).subarray(0, end);
    return undefined;
  }

  #beginning(): string {
    const [first = nothing] = this.#held;
    return (first.length >= maxSeparator ? first : Buffer.concat(this.#held)).toString('latin1', 0, maxSeparator);
  }

  async #spill(): Promise<void> {
    const held = this.#held;
    this.#held = [];
    this.#heldSize = 0;
    try {
      this.#spool ??= await this.#openSpool();
      if (this.#discarded) return await this.discard(); // its client went away meanwhile
      for (const chunk of held) await this.#append(this.#spool, chunk);
      this.#giveBack();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      await this.#fail({ kind: 'spool', full: code === 'ENOSPC' || code === 'EDQUOT', log: message });
    }
  }

  async #append(spool: FileHandle, chunk: Buffer): Promise<void> {
    for (let written = 0; written < chunk.length;) {
      const { bytesWritten } = await spool.write(chunk, written, chunk.length - written, this.#spooled);
      written += bytesWritten;
      this.#spooled += bytesWritten;
    }
  }

  async #openSpool(): Promise<FileHandle> {
    const path = join(this.#limits.spoolDir, this.#id);
    const spool = await open(path, 'wx+', 0o600);
    await unlink(path);
    return spool;
  }

  /** From here on nothing is kept; the rest is counted and dropped. */
  #fail(problem: IncomingProblem): void | Promise<void> {
    this.#problem = problem;
    return this.discard();
  }

  parts(): readonly Buffer[] | AsyncIterable<Buffer> {
    return this.#spool === undefined ? this.#held : this.#read(this.#spool);
  }

  async *#read(spool: FileHandle): AsyncIterable<Buffer> {
    for (let at = 0; at < this.#spooled;) {
      const buffer = Buffer.allocUnsafe(Math.min(1 << 16, this.#spooled - at));
      const { bytesRead } = await spool.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error('the spool file ended early');
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    yield* this.#held;
  }

  /** Frees memory and disk; the message cannot be read any more. A promise where a file has to be closed. */
  discard(): void | Promise<void> {
    this.#discarded = true;
    this.#held = [];
    this.#heldSize = 0;
    this.#giveBack();
    const spool = this.#spool;
    this.#spool = undefined;
    return spool?.close().catch(() => undefined);
  }
}
