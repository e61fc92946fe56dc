/**
 * A line of the journal as a row of the catalog, and what it counts as. Its host, its time and its place in its file
 * name it: these stay when the line is masked or erased. Pure. Leaves the statements to others.
 */
import { createHash } from 'node:crypto';
import { hash64 } from '../../journal/hash.js';
import { graceMs, hourMs } from '../../journal/hours.js';
import { type JournalLine, type JournalVerdict, parseJournalLine } from '../../journal/line.js';
import { countedOf } from '../../journal/sums/hour-sums.js';
import { addTokens } from '../../journal/tokens.js';
import { clean } from '../mail-row.js';

export interface LineKey {
  /** Milliseconds: when the line's mail ended. */
  readonly at: number;
  /** As it stands in the line: a folder of journals that is copied to another host holds the same lines. */
  readonly host: string;
  /** Octets from the beginning of its hour's file. */
  readonly start: number;
}

export interface LineRow extends LineKey {
  /** The first millisecond of its file's hour. */
  readonly hour: number;
  /** JSON, as it stands in the file. */
  readonly text: string;
  readonly line: JournalLine;
}

/** A line that came at its end is where a reader of the file would see it; of longer ones that much counts. */
export const maxTakenMs = 60_000;

/** A clock that was set meanwhile does not take a line to another day than those of its file. */
export function timeIn(hour: number, { time, ms = 0 }: Pick<JournalLine, 'time' | 'ms'>): number {
  const ended = Math.floor(Date.parse(time) + Math.min(maxTakenMs, Math.max(0, ms)));
  return Math.min(Math.max(ended, hour - graceMs), hour + hourMs + graceMs);
}

export function lineRow(text: string, { hour, start }: Pick<LineRow, 'hour' | 'start'>): LineRow | undefined {
  const line = parseJournalLine(text);
  return line && { at: timeIn(hour, line), host: nameOf(line.node ?? ''), start, hour, text, line };
}

export const textHash = (text: string): string => createHash('md5').update(text).digest('hex');

export const timeText = (ms: number): string => new Date(ms).toISOString();

/** What a search asks an index for, as numbers: two of many thousands may have one, so a line is looked at as well. */
export const tokenNumber = (token: string): number => hash64(token).high | 0;

/** What a search asks for beside them: it is no address, so it stands for nothing else. */
export const verdictToken = (verdict: JournalVerdict): string => `verdict:${verdict}`;
export const pluginToken = (plugin: string): string => `plugin:${plugin.toLowerCase()}`;

export function tokensOf({ text, line: { verdict, plugin } }: Pick<LineRow, 'text' | 'line'>): readonly number[] {
  const tokens = new Set([verdictToken(verdict)]);
  if (plugin !== undefined) tokens.add(pluginToken(plugin));
  addTokens(Buffer.from(text), tokens);
  return [...new Set([...tokens].map(tokenNumber))];
}

/** Names of counts are in an index, which takes no long texts. */
const maxName = 200;

const nameOf = (text: string): string => clean(text).slice(0, maxName);

export interface LineCount {
  readonly hour: number;
  readonly kind: 'verdict' | 'plugin' | 'sender' | 'client';
  readonly domain: string;
  readonly name: string;
  readonly lines: number;
}

export function countsOf(hour: number, line: JournalLine): readonly LineCount[] {
  const { domain, times, ...names } = countedOf(line);
  return (['verdict', 'plugin', 'sender', 'client'] as const).flatMap((kind) => {
    const name = names[kind];
    return name === undefined ? [] : [{ hour, kind, domain: nameOf(domain), name: nameOf(name), lines: times }];
  });
}
