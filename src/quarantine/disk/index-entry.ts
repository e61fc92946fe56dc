/**
 * One line of a day's index: an entry and its JSON, both ways. Leaves the file to index-file.ts and index-lines.ts.
 *
 * A line holds no raw control, bidirectional or other invisible character and no lone surrogate (JSON's escapes lose
 * nothing), and is at most 16 kB long with its newline: over-long values are cut and end in `…`.
 */

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
  /** What the client was told: code, enhanced code and text in one line; older lines and rebuilt ones have none. */
  readonly reply?: string;
  /** The visible From:, decoded, in one harmless line; older lines have none. */
  readonly headerFrom?: string;
}

/** Octets of a line, its newline included. */
export const maxLine = 16_384;

/**
 * How every line begins. Quotes inside values are escaped, so this stands nowhere else in a line: a good line glued
 * behind a torn one is found by it.
 */
export const lineStart = '{"time":"';

export function indexLine(entry: IndexEntry): Buffer {
  for (let maxValue = maxLine; ; maxValue /= 2) {
    const line = Buffer.from(`${jsonOf(entry, maxValue)}\n`);
    if (line.length <= maxLine || maxValue <= 32) return line;
  }
}

function jsonOf(entry: IndexEntry, maxValue: number): string {
  const text = (value: string): string => cut(value, maxValue);
  const json = JSON.stringify({
    time: text(entry.time),
    from: text(entry.from),
    recipient: text(entry.recipient),
    subject: text(entry.subject),
    filename: entry.filename,
    ip: text(entry.ip),
    host: text(entry.host),
    helo: text(entry.helo),
    reason: text(entry.reason),
    plugin: text(entry.plugin),
    'message-id': text(entry.messageId),
    size: entry.size,
    ...(entry.spf === undefined ? {} : { spf: text(entry.spf) }),
    ...(entry.reply === undefined ? {} : { reply: text(entry.reply) }),
    ...(entry.headerFrom === undefined ? {} : { header_from: text(entry.headerFrom) }),
  });
  return safeLine(json);
}

/** JSON without a raw control, bidirectional or other invisible character. */
export const safeLine = (json: string): string =>
  /^[ -~]*$/.test(json) ? json : json.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);

/** Never between the two halves of a surrogate pair. */
function cut(value: string, maxValue: number): string {
  if (value.length <= maxValue) return value;
  const kept = value.slice(0, maxValue - 1);
  return `${/[\ud800-\udbff]$/.test(kept) ? kept.slice(0, -1) : kept}…`;
}

function escaped(character: string): string {
  let text = '';
  for (let i = 0; i < character.length; i++) text += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  return text;
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
    size: typeof value['size'] === 'number' ? octetsOf(value['size']) : 0,
    ...(typeof value['spf'] === 'string' ? { spf: value['spf'] } : {}),
    ...(typeof value['reply'] === 'string' ? { reply: value['reply'] } : {}),
    ...(typeof value['header_from'] === 'string' ? { headerFrom: value['header_from'] } : {}),
  };
}

/** JSON has numbers that are no count of octets: 1e999 is read as Infinity, which has no JSON. */
const octetsOf = (size: number): number => (Number.isSafeInteger(size) && size > 0 ? size : 0);

export function objectOf(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
