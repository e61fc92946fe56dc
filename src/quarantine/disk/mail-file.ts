/**
 * One mail on its way into a maildir: tmp/, synced, new/. What it wrote it can take away again, and nothing else.
 * Leaves syncing new/ to the archive.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { MessageSource } from '../../mail/message.js';
import { ioError, syncFile, writeInBackground, writeNow } from './durable.js';

/** A mail of so many octets or fewer is written at once, on the event loop, which takes about 0.1 ms. */
const smallMail = 262_144;

const openLater = promisify(fs.open);
const closeLater = promisify(fs.close);

export interface MailFile {
  readonly filename: string;
  /** Octets of the whole file. */
  readonly size: number;
  /** Writes the file in tmp/ and syncs it. */
  write(): Promise<void>;
  /** Moves it into new/. */
  publish(): void;
  /** Takes it away, wherever it is by now; never throws. */
  discard(): void;
}

export interface MailFileOptions {
  readonly folder: { readonly tmp: string; readonly new: string };
  readonly filename: string;
  /** It comes before the message. */
  readonly beginning: Buffer;
  readonly message: MessageSource;
}

export function mailFile({ folder, filename, beginning, message }: MailFileOptions): MailFile {
  const tmp = `${folder.tmp}/${filename}`;
  const published = `${folder.new}/${filename}`;
  let mine: string | undefined;
  return {
    filename,
    size: beginning.length + message.size,
    async write() {
      // A name in use is never written over: 'wx' is O_EXCL.
      const fd = await openLater(tmp, 'wx', 0o660);
      mine = tmp;
      await filled(fd, { beginning, message, path: tmp });
    },
    publish() {
      if (fs.lstatSync(published, { throwIfNoEntry: false }))
        throw ioError('EEXIST', `mail is there already '${published}'`);
      fs.renameSync(tmp, published);
      mine = published;
    },
    discard() {
      if (mine !== undefined) removeQuietly(mine);
      mine = undefined;
    },
  };
}

interface FileContents {
  readonly beginning: Buffer;
  readonly message: MessageSource;
  readonly path: string;
}

/** Fills, syncs and closes the descriptor. */
async function filled(fd: number, contents: FileContents): Promise<void> {
  let open = true;
  try {
    await fill(fd, contents);
    await syncFile(fd, contents.path);
    open = false;
    fs.closeSync(fd);
  } finally {
    if (open) await closeLater(fd).catch(() => undefined);
  }
}

async function fill(fd: number, { beginning, message, path }: FileContents): Promise<void> {
  const parts = message.parts();
  if (Array.isArray(parts) && message.size <= smallMail) {
    const whole = Buffer.concat([beginning, ...parts]);
    complete(whole.length - beginning.length, message, path);
    return writeNow(fd, whole, path);
  }
  await writeInBackground(fd, beginning, path);
  let octets = 0;
  for await (const part of parts) {
    await writeInBackground(fd, part, path);
    octets += part.length;
  }
  complete(octets, message, path);
}

/** A message whose source gave fewer or more octets than it promised is not archived as if it were whole. */
function complete(octets: number, message: MessageSource, path: string): void {
  if (octets !== message.size)
    throw ioError('EIO', `message has ${octets} octets instead of ${message.size} '${path}'`);
}

function removeQuietly(file: string): void {
  try {
    fs.unlinkSync(file);
  } catch {
    // Gone already, or the disk is broken: the caller reports what broke first.
  }
}
