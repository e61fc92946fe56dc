/**
 * Searches all days and domains, newest first, without an index of its own: the day's index files are read backwards
 * and merged by time, so the first page costs a few kilobytes a domain, and memory does not grow with the quarantine.
 * Leaves reading a mail to kept-mail.ts.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { BackwardIndex, type EntryAt } from './backwards.js';
import { type Day, daysIn, type IndexFile, indexesOf } from './days.js';
import { Heap } from './heap.js';
import type { IndexEntry } from '../disk/index-entry.js';
import type { MailRef } from '../disk/mail-ref.js';
import type { Mark } from '../disk/mark.js';
import type { Query } from './query.js';

export interface ListItem {
  readonly ref: MailRef;
  readonly entry: IndexEntry;
  readonly mark?: Mark;
  /** It names the mail's place in the list; what comes behind that is older. */
  readonly cursor: string;
}

export interface BrowseOptions {
  /** /spam */
  readonly root: string;
  readonly query: Query;
  /** The only domains to be seen; all where none are given. */
  readonly domains?: ReadonlySet<string>;
  /** The search goes on behind this place. */
  readonly cursor?: string;
  readonly now?: Date;
}

/** It is either a mail, or how far the search has come without finding one. */
export type BrowseStep =
  | { readonly kind: 'item'; readonly item: ListItem; readonly place: ListPosition }
  /** All before this place has been looked at. */
  | { readonly kind: 'searched'; readonly place: ListPosition; readonly dayBegins: boolean };

/** Milliseconds of work between two breaths of the event loop. */
const breathAfter = 10;

/** Every mail that matches. */
export async function* browse(options: BrowseOptions): AsyncGenerator<ListItem> {
  for await (const step of search(options)) if (step.kind === 'item') yield step.item;
}

export interface PageOptions extends BrowseOptions {
  readonly limit: number;
  /** Milliseconds after which a page ends with its day even if it is not full; no limit where none is given. */
  readonly budget?: number;
  /** The search ends at this place: only what is newer is wanted. */
  readonly until?: string;
}

export interface Page {
  readonly items: readonly ListItem[];
  /** It is where the next page begins; undefined when there is none. */
  readonly next?: string;
  /**
   * Where it is given, the page ended because of its budget: everything newer than this (milliseconds) has been
   * searched.
   */
  readonly searchedTo?: number;
}

/**
 * A page that goes on within a day looks at that day anew: where it can, it ends between two, for so many times its
 * budget.
 */
const patience = 3;

/** One page of the list. */
export async function browsePage(options: PageOptions): Promise<Page> {
  const items: ListItem[] = [];
  const end = options.until === undefined ? undefined : placeOf(options.until);
  const from = options.cursor === undefined ? undefined : placeOf(options.cursor);
  const began = performance.now();
  const { budget = Infinity } = options;
  for await (const step of search(options)) {
    if (end && !isBefore(step.place, end)) return { items };
    if (step.kind === 'item') {
      if (items.length === options.limit) return { items, next: items.at(-1)?.cursor ?? '' };
      items.push(step.item);
    } else if (
      performance.now() - began > budget * (step.dayBegins ? 1 : patience) &&
      (!from || isBefore(from, step.place))
    ) {
      return { items, next: cursorOf(step.place), searchedTo: step.place.time };
    }
  }
  return { items };
}

/** A place in the list. Newer first; at the same time by file, then from the file's end to its beginning. */
interface ListPosition {
  readonly time: number;
  readonly file: string;
  readonly start: number;
}

const cursorOf = ({ time, file, start }: ListPosition): string =>
  Buffer.from(JSON.stringify([time, file, start])).toString('base64url');

/** Reads a cursor, which a client sends back; one that we did not make stands for the beginning. */
function placeOf(cursor: string): ListPosition {
  try {
    const [time, file, start]: unknown[] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    if (typeof time === 'number' && typeof file === 'string' && typeof start === 'number') return { time, file, start };
  } catch {
    // Falls through.
  }
  return { time: Infinity, file: '', start: 0 };
}

function isBefore(a: ListPosition, b: ListPosition): boolean {
  if (a.time !== b.time) return a.time > b.time;
  return a.file === b.file ? a.start > b.start : a.file > b.file;
}

/** The days that a search looks through, in its order. */
export const daysAsked = ({ root, query }: BrowseOptions, now: Date): readonly Day[] =>
  daysIn(root, now).filter(({ start, end }) => start < (query.before ?? Infinity) && end > (query.after ?? -Infinity));

/** The whole search, step by step. */
async function* search(options: BrowseOptions): AsyncGenerator<BrowseStep> {
  const { root, query, domains, now = new Date() } = options;
  const from = options.cursor === undefined ? undefined : placeOf(options.cursor);
  let breath = performance.now();
  for (const day of daysAsked(options, now)) {
    if (from && day.start > from.time) continue;
    yield { kind: 'searched', dayBegins: true, place: { time: day.end - 1, ...beforeAllFiles } };
    const files = indexesOf(root, day, query.domain).filter(({ domain }) => domains?.has(domain) ?? true);
    for (const step of searchDay(day, files, query)) {
      if (performance.now() - breath > breathAfter) {
        await breathe();
        breath = performance.now();
      }
      if (step.kind === 'searched' || !from || isBefore(from, step.place)) yield step;
    }
  }
}

interface Scanned {
  readonly entry: IndexEntry;
  readonly domain: string;
  readonly mark: Mark | undefined;
}

/** Yields every mail of a day that matches, in no order, for callers that only count. */
export function* scanDay(day: Day, { root, query, domains }: BrowseOptions): Generator<Scanned> {
  for (const file of indexesOf(root, day, query.domain)) {
    if (domains?.has(file.domain) === false) continue;
    const reader = readerOf(file, day, query);
    const { index } = reader;
    while (!index.done) {
      index.read();
      for (let found = index.take(); found; found = index.take()) {
        const { entry } = found;
        if (isWanted(entry, reader, query)) yield { entry, domain: file.domain, mark: index.marks.get(entry.filename) };
      }
    }
  }
}

/**
 * One index on its way back in time. Lines come out in the file's order, so a time that runs backwards does not count.
 */
interface Reader {
  readonly file: IndexFile;
  readonly name: string;
  readonly index: BackwardIndex;
  /** The entry that comes next, if it is known. */
  found: EntryAt | undefined;
  /** Every entry that is still to come has its place behind this one. */
  place: ListPosition;
}

function* searchDay(day: Day, files: readonly IndexFile[], query: Query): Generator<BrowseStep> {
  const readers = new Heap<Reader>((a, b) => isBefore(a.place, b.place));
  for (const file of files) readers.push(readerOf(file, day, query));
  for (let reader = readers.pop(); reader; reader = readers.pop()) {
    const { found } = reader;
    if (found) {
      yield { kind: 'item', item: itemOf(reader, found), place: reader.place };
      reader.found = undefined;
      advance(reader, day, query);
    } else {
      yield { kind: 'searched', dayBegins: false, place: { time: reader.place.time, ...beforeAllFiles } };
      const oldest = reader.index.read();
      advance(reader, day, query);
      if (!reader.found) reader.place = { ...reader.place, time: within(day, reader, oldest) };
    }
    if (reader.found ?? !reader.index.done) readers.push(reader);
  }
}

/** It is the first of all places of a time. */
const beforeAllFiles = { file: '\u{10ffff}', start: Number.MAX_SAFE_INTEGER };

/**
 * A file need not be opened before the search has come to when it was last written to; five minutes' grace for clocks.
 */
const newestIn = ({ mtimeMs }: IndexFile, { start, end }: Day): number =>
  Math.max(start, Math.min(end - 1, Math.floor(mtimeMs) + 300_000));

function readerOf(file: IndexFile, day: Day, query: Query): Reader {
  const name = `${file.yday}/${file.domain}`;
  return {
    file,
    name,
    index: new BackwardIndex(file, {
      nearlyAll: query.all,
      marked: query.mark !== undefined,
      ...(query.prefilter && { prefilter: query.prefilter }),
    }),
    found: undefined,
    place: { time: newestIn(file, day), file: name, start: Number.MAX_SAFE_INTEGER },
  };
}

/** Goes on to the next entry in memory that matches; passes over deleted mails unless they are asked for. */
function advance(reader: Reader, day: Day, query: Query): void {
  for (let found = reader.index.take(); found; found = reader.index.take()) {
    if (!isWanted(found.entry, reader, query)) continue;
    const time = within(day, reader, Date.parse(found.entry.time));
    reader.found = found;
    reader.place = { time, file: reader.name, start: found.start };
    return;
  }
}

const within = (day: Day, { place }: Reader, time: number | undefined): number =>
  Math.max(day.start, Math.min(place.time, time ?? place.time));

function isWanted(entry: IndexEntry, { file, index }: Reader, query: Query): boolean {
  if (index.marks.get(entry.filename)?.kind !== query.mark && (query.mark ?? isDeleted(entry, index))) return false;
  if (query.after !== undefined || query.before !== undefined) {
    const time = Date.parse(entry.time);
    if (time < (query.after ?? -Infinity) || time >= (query.before ?? Infinity)) return false;
  }
  return query.matches(entry, file.domain);
}

const isDeleted = (entry: IndexEntry, index: BackwardIndex): boolean =>
  index.marks.get(entry.filename)?.kind === 'deleted';

function itemOf(reader: Reader, { entry }: EntryAt): ListItem {
  const { yday, domain } = reader.file;
  const mark = reader.index.marks.get(entry.filename);
  const ref = { yday, domain, filename: entry.filename };
  const { place } = reader;
  return {
    ref,
    entry,
    ...(mark && { mark }),
    // It is made when it is asked for: whoever counts a million mails does not need it.
    get cursor() {
      return cursorOf(place);
    },
  };
}
