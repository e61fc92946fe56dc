/**
 * Searches the journal, newest first: hour by hour, each from its end, skipping hours whose filter says that they do
 * not hold what is wanted. Others append meanwhile, and days are removed: what is torn or gone is passed over.
 */
import fs from 'node:fs';
import { setImmediate as breathe } from 'node:timers/promises';
import { BackwardLines, type LineAt, linesIn } from '../lines/backward-lines.js';
import { lineStart } from '../lines/json-line.js';
import { openToRead } from '../quarantine/disk/regular.js';
import { mayHold } from './filter.js';
import { daysOf, graceMs, hourMs, hoursOf, type JournalHour } from './hours.js';
import { type JournalLine, parseJournalLine } from './line.js';
import type { JournalQuery } from './query.js';

export interface JournalItem {
  readonly line: JournalLine;
  /** It names the place of the line in the list; the lines behind it are older. */
  readonly cursor: string;
}

export interface JournalSearch {
  /** `state/journal` */
  readonly dir: string;
  readonly query: JournalQuery;
  /** It makes of a line what its reader may see; undefined hides the line. Without it, everything is shown. */
  readonly show?: (line: JournalLine) => JournalLine | undefined;
  /** Lines without a recipient of these domains are hidden by it anyway. */
  readonly domains?: ReadonlySet<string>;
  /** The search goes on behind this place. */
  readonly cursor?: string;
  /** It ends before this place. */
  readonly until?: string;
}

/** An hour has been looked at, or skipped. */
export interface SearchProgress {
  /** Octets until now, and all there are. */
  readonly done: number;
  readonly all: number;
  /** Milliseconds: everything from then on has been looked at. */
  readonly backTo: number;
}

/** Yields what is found, and how far it has come. */
export async function* searchJournal(search: JournalSearch): AsyncGenerator<JournalItem | SearchProgress> {
  const from = placeOf(search.cursor);
  const end = placeOf(search.until);
  const isLeft = ({ name }: JournalHour): boolean =>
    from === undefined || name < from.hour || (name === from.hour && from.start > 0);
  const hours = hoursFor(search).filter((hour) => isLeft(hour) && hour.name >= (end?.hour ?? ''));
  const sizes = hours.map(sizeOf);
  const all = sizes.reduce((sum, size) => sum + size, 0);
  let done = 0;
  for (const [i, hour] of hours.entries()) {
    if (mayHold(hour, search.query.tokens)) {
      const before = hour.name === from?.hour ? from.start : Infinity;
      const behind = hour.name === end?.hour ? end.start : -1;
      yield* linesOfHour(hour, search, { before, behind });
    }
    done += sizes[i] ?? 0;
    yield { done, all, backTo: hour.start };
  }
}

/** Newest first. */
export function hoursFor({ dir, query }: Pick<JournalSearch, 'dir' | 'query'>): readonly JournalHour[] {
  const { after = -Infinity, before = Infinity } = query;
  const isAsked = ({ start }: JournalHour): boolean => start + hourMs + graceMs > after && start - graceMs < before;
  return daysOf(dir)
    .filter((day) => Date.parse(day) + 24 * hourMs + graceMs > after && Date.parse(day) - graceMs < before)
    .flatMap((day) => hoursOf(dir, day))
    .filter(isAsked);
}

const sizeOf = ({ file }: JournalHour): number => fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;

interface LinePlace {
  readonly hour: string;
  readonly start: number;
}

const cursorOf = (hour: JournalHour, start: number): string => `${hour.name}:${start}`;

function placeOf(cursor = ''): LinePlace | undefined {
  const [, hour = '', start] = /^(\d{4}-\d\d-\d\d\/\d\d):(\d{1,15})$/.exec(cursor) ?? [];
  return start === undefined ? undefined : { hour, start: Number(start) };
}

interface Bounds {
  /** Only lines that begin before it, and behind it. */
  readonly before: number;
  readonly behind: number;
}

async function* linesOfHour(
  hour: JournalHour,
  { query, show = (line) => line }: JournalSearch,
  { before, behind }: Bounds,
): AsyncGenerator<JournalItem> {
  const fd = openToRead(hour.file);
  if (fd === undefined) return;
  try {
    const size = Math.min(fs.fstatSync(fd).size, before);
    const file = new BackwardLines({ size, read: (from, end) => octetsOf(fd, from, end), nearlyAll: query.all });
    while (!file.done) {
      const stretch = file.next();
      if (!stretch) continue;
      for (const { line, start } of itemsIn(stretch, query.prefilter).toReversed()) {
        if (start >= before) continue;
        if (start <= behind) return;
        // Whether a word is found must not tell what is hidden.
        const shown = show(line);
        if (shown && query.matches(shown)) yield { line: shown, cursor: cursorOf(hour, start) };
      }
      if (stretch.start <= behind) return;
      await breathe();
    }
  } finally {
    fs.closeSync(fd);
  }
}

function octetsOf(fd: number, from: number, end: number): Buffer {
  const octets = Buffer.allocUnsafe(end - from);
  return octets.subarray(0, fs.readSync(fd, octets, 0, octets.length, from));
}

export interface PlacedLine {
  readonly line: JournalLine;
  /** Octets from the beginning of the file, and of the line without its newline. */
  readonly start: number;
  readonly length: number;
}

/** The good lines of a stretch in order; one that is glued behind a torn one is found. */
export function itemsIn(stretch: LineAt, prefilter?: RegExp): readonly PlacedLine[] {
  return linesIn(stretch, prefilter).flatMap(({ octets, start }) => {
    const line = parseJournalLine(octets.toString());
    return line ? [{ line, start, length: octets.length }] : piecesOf(octets, start);
  });
}

function piecesOf(octets: Buffer, start: number): readonly PlacedLine[] {
  const cuts: number[] = [];
  for (let at = octets.indexOf(lineStart); at >= 0; at = octets.indexOf(lineStart, at + 1)) cuts.push(at);
  return cuts.flatMap((from, i) => {
    const end = cuts[i + 1] ?? octets.length;
    const line = parseJournalLine(octets.toString('utf8', from, end));
    return line ? [{ line, start: start + from, length: end - from }] : [];
  });
}

export interface JournalPage {
  readonly items: readonly JournalItem[];
  /** Where the next page begins; undefined where there is none. */
  readonly next?: string;
  /** Milliseconds, where the page ends because its time was up: everything from then on has been looked at. */
  readonly searchedTo?: number;
}

export interface JournalPageLimits {
  /** The page has so many lines at most. */
  readonly limit: number;
  /** Milliseconds after which it ends even if it is not full. */
  readonly budget: number;
}

/** Once the budget is used up it ends with the hour. */
export async function journalPage(search: JournalSearch, { limit, budget }: JournalPageLimits): Promise<JournalPage> {
  const end = performance.now() + budget;
  const items: JournalItem[] = [];
  for await (const step of searchJournal(search)) {
    if ('line' in step) {
      items.push(step);
      if (items.length > limit) return { items: items.slice(0, limit), next: items[limit - 1]?.cursor ?? '' };
    } else if (performance.now() > end && step.done < step.all) {
      return { items, next: `${hourName(step.backTo)}:0`, searchedTo: step.backTo };
    }
  }
  return { items };
}

const hourName = (time: number): string => new Date(time).toISOString().slice(0, 13).replace('T', '/');
