/** Looks up what the index says of one mail, and adds a mark to it. */
import fs from 'node:fs';
import { BackwardIndex } from './backwards.js';
import { rfc3339 } from '../disk/day.js';
import { ioError } from '../disk/durable.js';
import type { IndexEntry } from '../disk/index-entry.js';
import { appendLines } from '../disk/index-file.js';
import { folderOf, type MailRef } from '../disk/mail-ref.js';
import { type Mark, markLine } from '../disk/mark.js';

/** What became of a mail, as far as its index says. */
export interface IndexedDisposition {
  /** Undefined when the mail has no line. */
  readonly entry?: IndexEntry;
  readonly mark?: Mark;
  /** It is where the mail itself still has to come from, where it is not here yet: a host's name. */
  readonly onItsWayFrom?: string;
  /** RFC 3339: that host has not been heard of since then. */
  readonly notHeardSince?: string;
  readonly unknown?: UnknownRelease;
}

/** Somebody tried to release the mail, and nobody knows whether the MTA has it. */
export interface UnknownRelease {
  /** RFC 3339. */
  readonly time: string;
  readonly by: string;
  /** The host that tried. */
  readonly host: string;
  readonly messageId: string;
}

/** In one line, for people. */
export const unknownText = ({ time, by, host, messageId }: UnknownRelease): string =>
  `${by} released it from ${host} at ${time}, and nobody knows whether the local MTA took it: ` +
  `look there for Message-ID ${messageId === '' ? '(none)' : messageId}`;

/** Broken IO throws. */
export function dispositionOf(root: string, ref: MailRef): IndexedDisposition {
  const path = folderOf(root, ref)?.index;
  const file = path === undefined ? undefined : fs.lstatSync(path, { throwIfNoEntry: false });
  if (path === undefined || !file?.isFile()) return {};
  // In the line's JSON a backslash is written as two.
  const written = JSON.stringify(ref.filename).slice(1, -1);
  const prefilter = new RegExp(written.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'g');
  const index = new BackwardIndex({ path, size: file.size, ino: file.ino }, { nearlyAll: false, prefilter });
  let entry: IndexEntry | undefined;
  while (!entry && !index.done) entry = nextOf(index, ref.filename);
  const mark = index.marks.get(ref.filename);
  return { ...(entry && { entry }), ...(mark && { mark }) };
}

function nextOf(index: BackwardIndex, filename: string): IndexEntry | undefined {
  for (let found = index.take(); found; found = index.take()) if (found.entry.filename === filename) return found.entry;
  index.read();
  return undefined;
}

export interface NewMark extends Pick<Mark, 'kind' | 'by'> {
  readonly detail?: string;
}

/** The mark is on disk when this resolves. Throws where there is no such folder, or the disk is broken. */
export async function addMark(root: string, ref: MailRef, { kind, by, detail = '' }: NewMark): Promise<void> {
  const folder = folderOf(root, ref);
  if (!folder) throw ioError('ENOENT', `no folder '${ref.yday}/${ref.domain}'`);
  const line = markLine({ time: rfc3339(new Date()), kind, filename: ref.filename, by, detail });
  await appendLines(folder, line);
}
