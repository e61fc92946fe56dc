/**
 * The body of a mail while it comes in: in memory at first, then in a file that is unlinked as soon as it is open, so
 * that a crash leaves nothing behind; beyond a bound it is not kept.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';

export interface BodyLimits {
  /** Octets kept in memory; the rest goes into the file. */
  readonly memory: number;
  /** Octets kept at all. */
  readonly max: number;
  /** The folder of the file. */
  readonly folder: string;
}

const pieceOctets = 65_536;
const isOver = 'the mail of this body is over';

export class KeptBody {
  readonly #limits: BodyLimits;
  readonly #pieces: Buffer[] = [];
  #inMemory = 0;
  #file: FileHandle | undefined;
  #inFile = 0;
  #isWhole = true;
  #isOver = false;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** Octets that are kept. */
  get size(): number {
    return this.#inMemory + this.#inFile;
  }

  /** Is all of the body kept? It is cut at the bound where it is longer. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Keeps a copy of the piece; false where there is no room for more. Rejects where the file cannot be written. */
  async add(piece: Uint8Array): Promise<boolean> {
    const kept = piece.subarray(0, Math.max(0, this.#limits.max - this.size));
    if (kept.length < piece.length) this.#isWhole = false;
    const forMemory = kept.subarray(0, Math.max(0, this.#limits.memory - this.#inMemory));
    if (forMemory.length > 0) this.#pieces.push(Buffer.from(forMemory));
    this.#inMemory += forMemory.length;
    await this.#spool(kept.subarray(forMemory.length));
    return this.#isWhole;
  }

  async #spool(octets: Uint8Array): Promise<void> {
    if (octets.length === 0) return;
    this.#file ??= await openUnlinked(this.#limits.folder);
    if (this.#isOver) await this.close(); // the mail was dropped meanwhile
    for (let at = 0; at < octets.length;) {
      const { bytesWritten } = await this.#opened().write(octets, at, octets.length - at, this.#inFile);
      this.#inFile += bytesWritten;
      at += bytesWritten;
    }
  }

  /** The octets in pieces; CRLF line ends, as the MTA has sent them. Rejects when the mail is over. */
  async *chunks(): AsyncIterable<Buffer> {
    for (let i = 0; ; i++) {
      if (this.#isOver) throw new Error(isOver);
      const piece = this.#pieces[i];
      if (piece === undefined) break;
      yield piece;
    }
    for (let at = 0; at < this.#inFile;) {
      const piece = Buffer.allocUnsafe(Math.min(pieceOctets, this.#inFile - at));
      const { bytesRead } = await this.#opened().read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw new Error('the file of a body has lost its end');
      at += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  }

  /** All of it at once. */
  async octets(): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.chunks()) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  #opened(): FileHandle {
    if (!this.#file) throw new Error(isOver);
    return this.#file;
  }

  /** Lets go of everything. */
  async close(): Promise<void> {
    this.#isOver = true;
    const file = this.#file;
    this.#file = undefined;
    this.#pieces.length = 0;
    await file?.close();
  }
}

async function openUnlinked(folder: string): Promise<FileHandle> {
  const path = join(folder, `postern-body-${process.pid}-${randomBytes(8).toString('hex')}`);
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}
