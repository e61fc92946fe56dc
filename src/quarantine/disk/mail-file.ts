/**
 * One mail on its way into a maildir: tmp/, synced, new/. What it wrote it can take away again, and nothing else.
 * Leaves syncing new/ to the archive.
 */
import fs from 'node:fs';
import type { MessageSource } from '../../mail/message.js';
import { ioError, syncFile, writeInBackground, writeNow } from './durable.js';

/** A mail of fewer octets is written at once, on the event loop: about 0.1 ms, into memory. Its sync is not. */
const smallMail = 262_144;

/** Small mails are put together here: a buffer for each would cost more than the copying. */
const whole = Buffer.allocUnsafeSlow(smallMail);

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
      // A name in use is never written over: 'wx' is O_EXCL. Made on the event loop, as the index is opened there and
      // names are changed: the loop waits where the file system answers such calls slowly (NFS).
      const fd = fs.openSync(tmp, 'wx', 0o660);
      mine = tmp;
      try {
        if (!fillAtOnce(fd, { beginning, message, path: tmp })) await fill(fd, { beginning, message, path: tmp });
        await syncFile(fd, tmp);
      } catch (error) {
        closeQuietly(fd);
        throw error;
      }
      fs.closeSync(fd);
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

/** Does nothing, and returns false, where the mail is large or not in memory. */
function fillAtOnce(fd: number, { beginning, message, path }: FileContents): boolean {
  const parts = message.parts();
  if (!Array.isArray(parts) || beginning.length + message.size >= whole.length) return false;
  let end = beginning.copy(whole);
  for (const part of parts as readonly Buffer[]) end += part.copy(whole, end);
  complete(end - beginning.length, message, path);
  writeNow(fd, whole.subarray(0, end), path);
  return true;
}

async function fill(fd: number, { beginning, message, path }: FileContents): Promise<void> {
  await writeInBackground(fd, beginning, path);
  let octets = 0;
  for await (const part of message.parts()) {
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

function closeQuietly(fd: number): void {
  try {
    fs.closeSync(fd);
  } catch {
    // What broke first is what is reported.
  }
}

function removeQuietly(file: string): void {
  try {
    fs.unlinkSync(file);
  } catch {
    // Gone already, or the disk is broken: the caller reports what broke first.
  }
}
