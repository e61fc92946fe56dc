/**
 * A message while it comes in: its header section in memory, the whole in memory up to a limit and in a spool file above
 * it, nothing at all once it is too large. The spool file has no name (it is unlinked while open), so that a crash leaves
 * none behind.
 */
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { headerEnd } from '../mail/header.js';
import type { MessageSource } from '../mail/message.js';

export interface IncomingLimits {
  /** Octets. */
  readonly maxSize: number;
  readonly maxHeaderSize: number;
  /** Octets a message may hold in memory. */
  readonly memory: number;
  readonly spoolDir: string;
}

/** Why a message cannot be taken, once it is read to its end. */
export type IncomingProblem =
  | { readonly kind: 'too large' }
  | { readonly kind: 'header too large' }
  | { readonly kind: 'spool'; readonly full: boolean; readonly log: string };

export class IncomingMessage implements MessageSource {
  readonly #limits: IncomingLimits;
  readonly #id: string;
  #size = 0;
  #held: Buffer[] = [];
  #heldSize = 0;
  #header: Buffer | undefined;
  #spool: FileHandle | undefined;
  #spooled = 0;
  #problem: IncomingProblem | undefined;

  constructor(id: string, limits: IncomingLimits) {
    this.#id = id;
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  get problem(): IncomingProblem | undefined {
    return this.#problem;
  }

  /** The header section with the empty line behind it, if that came; to be asked once the message is whole. */
  get header(): Buffer {
    return this.#header ?? Buffer.concat(this.#held);
  }

  /** Takes the next octets. A promise where the caller has to wait for the disk. Never throws. */
  write(chunk: Buffer): void | Promise<void> {
    this.#size += chunk.length;
    if (this.#problem || chunk.length === 0) return undefined;
    if (this.#size > this.#limits.maxSize) return this.#fail({ kind: 'too large' });
    this.#held.push(chunk);
    this.#heldSize += chunk.length;
    if (!this.#header) this.#lookForHeader();
    if (this.#problem || this.#heldSize <= this.#limits.memory || !this.#header) return undefined;
    return this.#spill();
  }

  #lookForHeader(): void {
    const start = this.#held.length === 1 ? (this.#held[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#held);
    const end = headerEnd(start);
    if ((end ?? start.length) > this.#limits.maxHeaderSize) void this.#fail({ kind: 'header too large' });
    else if (end !== undefined) this.#header = Buffer.from(start.subarray(0, end));
    if (this.#held.length > 16) this.#held = [start];
  }

  async #spill(): Promise<void> {
    const held = this.#held;
    this.#held = [];
    this.#heldSize = 0;
    try {
      this.#spool ??= await this.#openSpool();
      for (const chunk of held) await this.#append(this.#spool, chunk);
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
  #fail(problem: IncomingProblem): Promise<void> {
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

  /** Frees memory and disk; the message cannot be read any more. */
  async discard(): Promise<void> {
    this.#held = [];
    this.#heldSize = 0;
    const spool = this.#spool;
    this.#spool = undefined;
    await spool?.close().catch(() => undefined);
  }
}
