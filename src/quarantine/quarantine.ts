/**
 * The quarantine as the listener sees it: archives a rejected mail for each refused recipient, and answers only when
 * mail, folder and index line are on disk. What a crash can leave at each point, and why that is harmless, is in
 * README.md. Leaves the reply to the listener.
 */
import { errorText } from '../mail/error-text.js';
import type { Headline } from '../mail/shown/headline.js';
import type { MessageSource } from '../mail/message.js';
import { fieldText } from '../mail/text.js';
import { rfc3339 } from './disk/day.js';
import { allOf, codeOf } from './disk/durable.js';
import { clockProblem } from './care/clock.js';
import { type ExpireOptions, type ExpireResult, expire } from './care/expire.js';
import { isFolderName, mailName, nameOfHost } from './disk/folder.js';
import { lineOfCopy } from './disk/index-entry.js';
import { type MailFile, mailFile } from './disk/mail-file.js';
import { type PreparedFolders, preparedFolders } from './keep/prepare.js';

export interface ArchiveRequest {
  /** It is the transaction's, [A-Z0-9]+; it is part of the mail's file name and makes that unique. */
  readonly id: string;
  /** It is a hosted domain, in A-labels. */
  readonly domain: string;
  readonly time: Date;
  /** There is one for each refused recipient: its address, and our fields in CRLF lines. */
  readonly copies: readonly { readonly recipient: string; readonly head: Buffer }[];
  /** The original header and body. */
  readonly message: MessageSource;
  /** It is for the index; all of it is the client's text. */
  readonly about: AboutMail;
}

export interface AboutMail extends Headline {
  /** The reverse-path. */
  readonly from: string;
  readonly ip: string;
  readonly host: string;
  readonly helo: string;
  readonly reason: string;
  readonly plugin: string;
  /** It is what the client is told once everything is on disk, in one line. */
  readonly reply: string;
  /** It is SPF's result, where SPF ran. */
  readonly spf?: string;
  /** It is the sum of the points, where any were given. */
  readonly score?: number;
  /** It is who gave them, and why. */
  readonly points?: string;
}

export type ArchiveResult =
  | { readonly kind: 'archived'; readonly filenames: readonly string[] }
  /** Nothing is left of it. `full`: no space, inodes or quota. `problem` is for the log and names the path. */
  | { readonly kind: 'failed'; readonly full: boolean; readonly problem: string };

export interface Quarantine {
  /** All copies or none. Never throws. */
  archive(request: ArchiveRequest): Promise<ArchiveResult>;
  /** Removes what is too old or too much, and sets the links. Never throws. */
  expire(now?: Date, progress?: ExpireOptions['progress']): Promise<ExpireResult>;
  /**
   * Why the clock cannot be believed, so that a service that starts lets `expire` be; undefined where it can. Never
   * throws.
   */
  clockProblem(now?: Date): Promise<string | undefined>;
  /** Resolves when the archives under way have ended. */
  close(): Promise<void>;
}

export interface QuarantineOptions {
  /** /spam */
  readonly root: string;
  /** It stands at the end of each mail's file name. */
  readonly hostname: string;
  readonly expireDays: number;
  /** Octets; 0: no limit. */
  readonly expireOctets: number;
  /** It is the name of a link to the index in each folder; '' for none, `index.json` where it is not given. */
  readonly indexLink?: string;
  readonly ownLimits?: NonNullable<ExpireOptions['ownLimits']>;
  readonly now?: () => Date;
}

/** So many copies are written at the same time. */
const batch = 16;

export function openQuarantine(options: QuarantineOptions): Quarantine {
  const now = options.now ?? (() => new Date());
  const folders = preparedFolders({ root: options.root, indexLink: options.indexLink ?? 'index.json', now });
  const host = nameOfHost(options.hostname);
  const running = new Set<Promise<ArchiveResult>>();
  return {
    archive(request) {
      const result = archive(request, { folders, host });
      running.add(result);
      void result.then(() => running.delete(result));
      return result;
    },
    expire: (at = now(), progress) => expire({ ...options, now: at, ...(progress && { progress }) }),
    clockProblem: (at = now()) => clockProblem({ ...options, now: at }).catch(errorText),
    async close() {
      await Promise.all(running);
    },
  };
}

interface Means {
  readonly folders: PreparedFolders;
  /** As it stands in names of mails. */
  readonly host: string;
}

async function archive(request: ArchiveRequest, means: Means): Promise<ArchiveResult> {
  const objection = objectionTo(request);
  if (objection !== undefined) return { kind: 'failed', full: false, problem: objection };
  try {
    return await attempt(request, means);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') return failure(error);
    // An operator removed the folder under us.
    means.folders.forget(request.time, request.domain);
    return attempt(request, means).catch(failure);
  }
}

function objectionTo({ id, domain, time, copies }: ArchiveRequest): string | undefined {
  if (!isFolderName(domain)) return `no folder can have the name ${JSON.stringify(domain)}`;
  if (!/^[A-Z0-9]{1,64}$/.test(id)) return `no mail can have the id ${JSON.stringify(id)}`;
  if (Number.isNaN(time.getTime())) return 'the mail has no valid time';
  return copies.length === 0 ? 'the mail has no recipient' : undefined;
}

async function attempt(request: ArchiveRequest, means: Means): Promise<ArchiveResult> {
  const folder = await means.folders.at(request.time, request.domain);
  const files = request.copies.map(({ recipient, head }, i) =>
    mailFile({
      folder,
      filename: mailName(request.time, request.id, i + 1, means.host),
      beginning: Buffer.concat([Buffer.from(`Recipient: ${fieldText(recipient)}\r\n`), head]),
      message: request.message,
    }),
  );
  try {
    const written = write(files);
    const lines = linesOf(request, files);
    await written;
    await folder.enter({ files, lines });
  } catch (error) {
    for (const file of files) file.discard();
    throw error;
  }
  return { kind: 'archived', filenames: files.map((file) => file.filename) };
}

async function write(files: readonly MailFile[]): Promise<void> {
  for (let i = 0; i < files.length; i += batch) await allOf(files.slice(i, i + batch).map((file) => file.write()));
}

function linesOf({ time, copies, about }: ArchiveRequest, files: readonly MailFile[]): Buffer {
  const at = rfc3339(time);
  const lines = files.map(({ filename, size }, i) =>
    lineOfCopy(about, { time: at, recipient: copies[i]?.recipient ?? '', filename, size }),
  );
  return lines.length === 1 && lines[0] ? lines[0] : Buffer.concat(lines);
}

function failure(error: unknown): ArchiveResult {
  return { kind: 'failed', full: ['ENOSPC', 'EDQUOT'].includes(codeOf(error)), problem: errorText(error) };
}
