/**
 * One line of a day's index: an entry and its JSON, both ways. Over-long values are cut and end in `…`. Leaves the file
 * to index-file.ts and index-lines.ts.
 */
import {
  cut,
  escaped,
  fittingLine,
  lineStart,
  numberField,
  objectOf,
  octetsOf,
  textField,
} from '../../lines/json-line.js';

export interface IndexEntry {
  /** RFC 3339. */
  readonly time: string;
  /** The reverse-path. */
  readonly from: string;
  readonly recipient: string;
  /** Decoded. */
  readonly subject: string;
  /** As it was archived: in new/, or under what a reader has made of it. */
  readonly filename: string;
  readonly ip: string;
  readonly host: string;
  readonly helo: string;
  readonly reason: string;
  readonly plugin: string;
  readonly messageId: string;
  /** Octets of the file. */
  readonly size: number;
  /** The result, where SPF ran. */
  readonly spf?: string;
  /** The sum of the points that checks gave, where any did. */
  readonly score?: number;
  /** Who gave them, and why. */
  readonly points?: string;
  /** What the client was told: code, enhanced code and text in one line; older lines and rebuilt ones have none. */
  readonly reply?: string;
  /** The visible From:, decoded, in one harmless line; older lines have none. */
  readonly headerFrom?: string;
}

/** What differs from copy to copy of a mail. */
type OfCopy = 'time' | 'recipient' | 'filename' | 'size';

export const indexLine = (entry: IndexEntry): Buffer => lineOfCopy(entry, entry);

/** The same without one object of both: to make that costs more than the line. */
export const lineOfCopy = (about: Omit<IndexEntry, OfCopy>, copy: Pick<IndexEntry, OfCopy>): Buffer =>
  fittingLine((maxValue) => jsonOf(about, copy, maxValue));

/** What is undefined has no key. */
function jsonOf(about: Omit<IndexEntry, OfCopy>, copy: Pick<IndexEntry, OfCopy>, maxValue: number): string {
  const field = (name: string, value: string | undefined): string =>
    value === undefined ? '' : textField(name, cut(value, maxValue));
  return (
    `${lineStart}${escaped(cut(copy.time, maxValue))}"` +
    field('from', about.from) +
    field('recipient', copy.recipient) +
    field('subject', about.subject) +
    textField('filename', copy.filename) +
    field('ip', about.ip) +
    field('host', about.host) +
    field('helo', about.helo) +
    field('reason', about.reason) +
    field('plugin', about.plugin) +
    field('message-id', about.messageId) +
    numberField('size', copy.size) +
    field('spf', about.spf) +
    numberField('score', about.score) +
    field('points', about.points) +
    field('reply', about.reply) +
    `${field('header_from', about.headerFrom)}}`
  );
}

/**
 * Reads one JSON object; undefined when it is none, is a mark, or names no time and mail. Absent values come out as ''
 * and 0.
 */
export function parseEntry(json: string): IndexEntry | undefined {
  const value = objectOf(json);
  if (!value) return undefined;
  const text = (key: string): string => (typeof value[key] === 'string' ? value[key] : '');
  if (text('filename') === '' || 'mark' in value || Number.isNaN(Date.parse(text('time')))) return undefined;
  return {
    time: text('time'),
    from: text('from'),
    recipient: text('recipient'),
    subject: text('subject'),
    filename: text('filename'),
    ip: text('ip'),
    host: text('host'),
    helo: text('helo'),
    reason: text('reason'),
    plugin: text('plugin'),
    messageId: text('message-id'),
    size: octetsOf(value['size']),
    ...(typeof value['spf'] === 'string' ? { spf: value['spf'] } : {}),
    ...(typeof value['score'] === 'number' ? { score: value['score'] } : {}),
    ...(typeof value['points'] === 'string' ? { points: value['points'] } : {}),
    ...(typeof value['reply'] === 'string' ? { reply: value['reply'] } : {}),
    ...(typeof value['header_from'] === 'string' ? { headerFrom: value['header_from'] } : {}),
  };
}
