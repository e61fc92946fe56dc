/**
 * Puts an index and its maildir in agreement again: mails without a line get one from their own fields, broken lines
 * go, good lines stay. Safe beside running archives. Changes no mail, and leaves removing old ones to expire.ts.
 */
import fs from 'node:fs';
import path from 'node:path';
import { headerEnd, type Header, parseHeader } from '../../mail/header.js';
import { headlineOf } from '../../mail/shown/headline.js';
import { unicode } from '../../mail/text.js';
import { rfc3339 } from '../disk/day.js';
import { syncFolder } from '../disk/durable.js';
import { entriesIn } from '../disk/emptying.js';
import { type Folder, folderAt, mailKey, mailTime, baseName } from '../disk/folder.js';
import { type IndexEntry, indexLine } from '../disk/index-entry.js';
import { appendLines, mendIndex } from '../disk/index-file.js';
import { type Piece, readPieces } from '../disk/index-lines.js';
import { sweepTmp } from './leftovers.js';
import { beginningOf, requireDirectory } from '../disk/regular.js';
import { blank } from '../disk/torn-line.js';

export interface CheckResult {
  /** It is true where the index had to be changed. */
  readonly rebuilt: boolean;
  /** It counts mails that had no line; they have one now. */
  readonly orphans: number;
  /** It counts lines whose mail is gone although nobody deleted it with postern; the lines stay. */
  readonly missing: number;
  /** It counts lines so old that their mail may be in the catalog alone; they are not missing. */
  readonly shipped?: number;
  /** It counts mails that a crash had left in tmp/, and that had a line; they are in new/ now. */
  readonly finished: number;
  /** It counts what is not ours: what has no name of ours, or is no regular file. It stays where it is. */
  readonly foreign: number;
}

/** Milliseconds for which a mail without a line may still be about to get one. */
const underWay = 60_000;

/**
 * `day` is /spam/YDAY/DOMAIN; files of mails that are older than so many milliseconds may have gone to the catalog (0:
 * none have). Broken IO throws.
 */
export async function checkDay(day: string, now: Date = new Date(), shipKeepMs = 0): Promise<CheckResult> {
  const folder = folderAt(day);
  for (const dir of [path.dirname(day), day]) requireDirectory(dir);
  const torn = await mendIndex(folder);
  // The index first: a mail that is archived meanwhile must not look as if it were gone.
  const { listed, deleted, broken } = await survey(folder.index);
  const { mails, waiting, foreign } = await mailsIn(folder);
  for (const { start, length } of broken) blank(folder.index, start, length);
  const orphans = [...mails].filter(([key, file]) => !listed.has(key) && isSettled(file, now));
  const lines = orphans.toSorted(([, a], [, b]) => (a < b ? -1 : 1)).flatMap(([, file]) => lineFor(file));
  if (lines.length > 0) await appendLines(folder, Buffer.concat(lines));
  const absent = [...listed].filter(([key]) => !mails.has(key) && !deleted.has(key));
  const finished = absent.filter(([key, entry]) => finish(folder, waiting.get(key), entry, now)).length;
  if (finished > 0) await syncFolder(folder.new);
  await sweepTmp(folder, now.getTime());
  const rebuilt = torn || broken.length + lines.length > 0;
  const result = { rebuilt, orphans: lines.length, missing: absent.length - finished, finished, foreign };
  if (shipKeepMs === 0) return result;
  const isOld = ([, { time }]: [string, IndexEntry]): boolean => now.getTime() - Date.parse(time) >= shipKeepMs;
  const shipped = absent.filter((line) => isOld(line) && !waiting.has(line[0])).length;
  return { ...result, missing: result.missing - shipped, shipped };
}

/**
 * Moves a mail that has a line, but stands in tmp/, into new/; false where there is nothing to move. After a crash a
 * file system may have kept the line and lost the rename. The octets were on disk before both, so a file of the right
 * size is whole.
 */
function finish(folder: Folder, file: string | undefined, entry: IndexEntry, now: Date): boolean {
  if (file === undefined || !isSettled(file, now)) return false;
  const target = path.join(folder.new, baseName(path.basename(file)));
  if (fs.lstatSync(file).size !== entry.size || fs.lstatSync(target, { throwIfNoEntry: false })) return false;
  fs.renameSync(file, target);
  return true;
}

/** A mail's key stays the same when a mail reader renames its file. */
const keyOf = (name: string): string => mailKey(name) ?? baseName(name);

interface FolderContents {
  /** Key → path. */
  readonly mails: ReadonlyMap<string, string>;
  /** Key → path, of the files in tmp/. */
  readonly waiting: ReadonlyMap<string, string>;
  readonly foreign: number;
}

async function mailsIn(folder: Folder): Promise<FolderContents> {
  const mails = new Map<string, string>();
  const waiting = new Map<string, string>();
  let foreign = strangersBeside(folder);
  for (const dir of [folder.new, folder.cur, folder.tmp]) {
    for await (const entry of entriesIn(dir)) {
      if (!entry.isFile() || mailKey(entry.name) === undefined) foreign++;
      if (entry.isFile()) (dir === folder.tmp ? waiting : mails).set(keyOf(entry.name), path.join(dir, entry.name));
    }
  }
  return { mails, waiting, foreign };
}

/** Counts what stands in the folder itself beside the maildir, the index, and a link to the index. */
function strangersBeside(folder: Folder): number {
  const isOurs = (entry: fs.Dirent): boolean => {
    if (entry.isDirectory()) return ['tmp', 'new', 'cur'].includes(entry.name);
    if (entry.isFile()) return entry.name === 'index';
    return entry.isSymbolicLink() && fs.readlinkSync(path.join(folder.path, entry.name)) === 'index';
  };
  return fs.readdirSync(folder.path, { withFileTypes: true }).filter((entry) => !isOurs(entry)).length;
}

/** What an index says, by the keys of mails. */
interface Survey {
  readonly listed: ReadonlyMap<string, IndexEntry>;
  readonly deleted: ReadonlySet<string>;
  readonly broken: readonly Piece[];
}

async function survey(index: string): Promise<Survey> {
  const listed = new Map<string, IndexEntry>();
  const deleted = new Set<string>();
  const broken = [];
  for await (const piece of readPieces(index)) {
    if (piece.entry) listed.set(keyOf(piece.entry.filename), piece.entry);
    else if (!piece.mark) broken.push(piece);
    else if (piece.mark.kind === 'deleted') deleted.add(keyOf(piece.mark.filename));
  }
  return { listed, deleted, broken };
}

function isSettled(file: string, now: Date): boolean {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  return stat !== undefined && Math.abs(now.getTime() - stat.mtimeMs) > underWay;
}

/** Returns no line when the mail was taken away just now. */
function lineFor(file: string): readonly Buffer[] {
  const filename = baseName(path.basename(file));
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  if (!stat) return [];
  const time = new Date(mailTime(filename) ?? stat.mtimeMs);
  return [indexLine(entryOf(headerOf(file), { filename, time: rfc3339(time), size: stat.size }))];
}

/** Reads the fields that the archive wrote on top of the mail. */
function entryOf(header: Header, known: Pick<IndexEntry, 'filename' | 'time' | 'size'>): IndexEntry {
  const value = (name: string): string => unicode(header.get(name) ?? '');
  const spf = ownSpf(header);
  return {
    ...known,
    from: value('X-MAIL-FROM'),
    recipient: value('Recipient'),
    ip: value('X-REMOTE-IP'),
    host: value('X-REMOTE-HOST'),
    helo: value('X-HELO'),
    reason: value('X-REJECT-REASON'),
    plugin: value('X-REJECT-PLUGIN'),
    ...headlineOf(header),
    ...(spf === undefined ? {} : { spf }),
  };
}

/** A Received-SPF field below the last field that only we write may be the sender's own claim. */
function ownSpf(header: Header): string | undefined {
  const ours = header.fields.findLastIndex((field) =>
    /^x-(helo|remote-ip|reject-reason|reject-plugin)$/.test(field.name),
  );
  const field = header.fields.slice(0, ours + 1).find(({ name }) => name === 'received-spf');
  return field && /^[a-z]+/i.exec(field.value)?.[0].toLowerCase();
}

function headerOf(file: string): Header {
  const beginning = beginningOf(file, 65_536) ?? Buffer.alloc(0);
  return parseHeader(beginning.subarray(0, headerEnd(beginning) ?? beginning.length));
}
