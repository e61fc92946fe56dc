/**
 * A line of the index as a row of the catalog, both ways. What PostgreSQL cannot hold (NUL, half a surrogate pair) is
 * replaced. Pure. Leaves the statements to others.
 */
import type { IndexEntry } from '../quarantine/disk/index-entry.js';
import { mailKey, mailTime } from '../quarantine/disk/folder.js';
import { ydayOf } from '../quarantine/disk/day.js';
import { idOf, type MailRef } from '../quarantine/disk/mail-ref.js';
import { reasonKind } from '../quarantine/look/reason-kind.js';
import { idTime } from '../smtp/transaction-id.js';

/** Which row: an ID tells its day, and how many copies there are counts n. */
export interface RowKey {
  /** `2026-11-28`, in UTC. */
  readonly day: string;
  readonly id: string;
  readonly n: number;
}

/** As the statements take it, by the columns' names. */
export interface MailRow extends RowKey {
  readonly domain: string;
  readonly time: string;
  readonly sender: string;
  readonly recipient: string;
  readonly subject: string;
  readonly filename: string;
  readonly ip: string;
  readonly host: string;
  readonly helo: string;
  readonly reason: string;
  readonly plugin: string;
  readonly message_id: string;
  readonly size: number;
  readonly spf: string | null;
  readonly score: number | null;
  readonly points: string | null;
  readonly reply: string | null;
  readonly header_from: string | null;
}

export const dayText = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** Undefined for a name that tells no time: such a mail has no place in the catalog. */
export function keyOf(filename: string): RowKey | undefined {
  const [id = filename, n = '1'] = mailKey(filename)?.split('_') ?? [];
  const time = idTime(id) ?? mailTime(filename);
  const copy = Number(n);
  if (time === undefined || time > maxTime || copy > maxCopy) return undefined;
  return { day: dayText(time), id: clean(id), n: copy };
}

/** The end of the year 9999: later days have no text of ten characters. */
const maxTime = Date.UTC(9999, 11, 31);
const maxCopy = 1_000_000;

export function rowOf(entry: IndexEntry, domain: string): MailRow | undefined {
  const key = keyOf(entry.filename);
  if (!key || Number.isNaN(Date.parse(entry.time))) return undefined;
  const text = (value: string | undefined): string | null => (value === undefined ? null : clean(value));
  return {
    domain: clean(domain),
    time: clean(entry.time),
    sender: clean(entry.from),
    recipient: clean(entry.recipient),
    subject: clean(entry.subject),
    filename: clean(entry.filename),
    ip: clean(entry.ip),
    host: clean(entry.host),
    helo: clean(entry.helo),
    reason: clean(entry.reason),
    plugin: clean(entry.plugin),
    message_id: clean(entry.messageId),
    size: entry.size,
    spf: text(entry.spf),
    score: entry.score ?? null,
    points: text(entry.points),
    reply: text(entry.reply),
    header_from: text(entry.headerFrom),
    // At its beginning it would make the object of so many properties ten times as dear.
    ...key,
  };
}

/** Characters of a plugin's name that it is counted by. */
export const maxPlugin = 100;

/** What a statement is given: the row, and what is made of it for searching and counting. */
export const insertable = (row: MailRow): object => ({
  at: new Date(row.time).toISOString(),
  words: searchedText(row),
  // They are in an index, which takes no long texts.
  counted: clean(row.plugin.slice(0, maxPlugin)),
  kind: clean(reasonKind(row.plugin, row.reason).slice(0, 300)),
  ...row,
});

/** The texts that a word is looked for in (quarantine/look/query), in lower case. */
const searchedText = (row: MailRow): string =>
  [
    row.sender,
    row.header_from ?? '',
    row.recipient,
    row.subject,
    row.filename,
    row.ip,
    row.host,
    row.helo,
    row.reason,
    row.message_id,
  ]
    .join('\n')
    .toLowerCase();

export const entryOf = (row: MailRow): IndexEntry => ({
  time: row.time,
  from: row.sender,
  recipient: row.recipient,
  subject: row.subject,
  filename: row.filename,
  ip: row.ip,
  host: row.host,
  helo: row.helo,
  reason: row.reason,
  plugin: row.plugin,
  messageId: row.message_id,
  size: row.size,
  ...(row.spf !== null && { spf: row.spf }),
  ...(row.score !== null && { score: row.score }),
  ...(row.points !== null && { points: row.points }),
  ...(row.reply !== null && { reply: row.reply }),
  ...(row.header_from !== null && { headerFrom: row.header_from }),
});

/** The folder's day stands in the time as it was written, whatever zone this host is in. */
export function refOf({ time, domain, filename }: Pick<MailRow, 'time' | 'domain' | 'filename'>): MailRef {
  const [year = 0, month = 1, day = 1] = time.slice(0, 10).split('-').map(Number);
  return { yday: String(ydayOf(new Date(year, month - 1, day))), domain, filename };
}

export const idOfRow = ({ filename }: Pick<MailRow, 'filename'>): string => idOf(filename);

/** What no text of PostgreSQL can hold becomes U+FFFD, as decoders make of it. */
export const clean = (text: string): string => text.replace(/\0|\p{Cs}/gu, '\ufffd');
