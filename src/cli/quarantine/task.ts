/** What every `postern quarantine` subcommand is given, and how it finds the mails that it is told. */
import path from 'node:path';
import { printable } from '../../mail/text.js';
import { browse, type Item } from '../../quarantine/browse.js';
import { fateOf } from '../../quarantine/fate.js';
import { idOf, locate, parseRef, refText } from '../../quarantine/mail-ref.js';
import { parseQuery, type Query } from '../../quarantine/query.js';
import type { Settings } from '../../settings.js';
import { idTime } from '../../smtp/transaction-id.js';
import { exit } from '../exit-codes.js';
import { complain } from '../load.js';
import { jsonLine, type Terminal } from '../terminal.js';

export interface Task {
  readonly settings: Settings;
  readonly options: ReadonlyMap<string, string>;
  readonly words: readonly string[];
  readonly terminal: Terminal;
  readonly isTerminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A mail of the list, whose line may be missing. */
export type Mail = Pick<Item, 'ref'> & Partial<Pick<Item, 'entry' | 'mark'>>;

/** The words as one search; a problem is said, and ends the command with the code. */
export function queryOf(text: string): Query | number {
  const parsed = parseQuery(text);
  if (parsed.ok) return parsed.query;
  complain([parsed.problem]);
  return exit.usage;
}

/** A word with a space was quoted for the shell: quote it for the search. */
export const searchText = (words: readonly string[]): string =>
  words.map((word) => word.replace(/^(-?(?:[a-z]+:)?)(.* .*)$/is, '$1"$2"')).join(' ');

/** The mails that a word names: by ID all copies, else one. None when there is none. */
export async function mailsNamed(word: string, root: string): Promise<readonly Mail[]> {
  const ref = parseRef(word) ?? parseRef(word.split(path.sep).slice(-4).toSpliced(2, 1).join('/'));
  if (ref) {
    const fate = fateOf(root, ref);
    return fate.entry || (await locate(root, ref)) !== undefined ? [{ ref, ...fate }] : [];
  }
  const [id = '', copy] = word.toUpperCase().split('_');
  return /^[A-Z0-9]{1,64}$/.test(id) ? copiesOf(id, copy, root) : [];
}

async function copiesOf(id: string, copy: string | undefined, root: string): Promise<readonly Mail[]> {
  const time = idTime(id);
  const dayMs = 86_400_000;
  const parsed = parseQuery(`id:.${id}_`);
  if (!parsed.ok) return [];
  const query = time === undefined ? parsed.query : { ...parsed.query, after: time - dayMs, before: time + dayMs };
  const mails: Mail[] = [];
  for await (const item of browse({ root, query })) {
    const isWanted = idOf(item.ref.filename) === id && (copy === undefined || item.ref.filename.includes(`_${copy}.`));
    if (isWanted) mails.push(item);
  }
  return mails;
}

/** One line of JSON: what the index says, and what a script needs beside it. */
export function jsonOf({ ref, entry, mark }: Mail): string {
  const { messageId, filename, ...rest } = entry ?? { messageId: undefined, filename: ref.filename };
  return jsonLine({
    mail: refText(ref),
    id: idOf(ref.filename),
    domain: ref.domain,
    ...rest,
    filename,
    ...(messageId !== undefined && { 'message-id': messageId }),
    ...(mark && { [mark.kind]: { time: mark.time, by: mark.by, detail: mark.detail } }),
  });
}

/** A line on stderr that is written over, where that is a terminal. */
export function progressLine(): { show(text: string): void; end(): void } {
  const { isTTY, columns } = process.stderr;
  if (!isTTY) return { show: () => undefined, end: () => undefined };
  return {
    show: (text) => void process.stderr.write(`\r${printable(text, (columns ?? 80) - 1)}\x1b[K`),
    end: () => void process.stderr.write('\r\x1b[K'),
  };
}

/** `[#######.......] 50 %` */
export function bar(done: number, all: number): string {
  const share = all === 0 ? 1 : done / all;
  const full = Math.round(share * 30);
  return `[${'#'.repeat(full)}${'.'.repeat(30 - full)}] ${Math.round(share * 100)} %  ${done} of ${all}`;
}
