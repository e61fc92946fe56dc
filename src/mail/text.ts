/**
 * Client, domain and MTA bytes on their way into replies, header fields and logs: the one place where they
 * lose everything that could forge a line, move a cursor or reverse the reading direction.
 */

/**
 * Controls (C0, DEL, C1), line and paragraph separators, bidirectional and other invisible formatting, lone surrogates.
 * With the `u` flag a surrogate pair is one character, so `\p{Cs}` meets lone ones only. The two joiners (U+200C,
 * U+200D) are part of words in Persian or Hindi and of emoji: between letters and emoji they stay.
 */
const unsafe = new RegExp(
  [
    '(?![\\u200c\\u200d])[\\p{Cc}\\p{Cf}\\p{Cs}\\u2028\\u2029]',
    '(?<![\\p{L}\\p{M}\\p{Extended_Pictographic}\\p{Emoji_Modifier}])[\\u200c\\u200d]',
    '[\\u200c\\u200d](?![\\p{L}\\p{M}\\p{Extended_Pictographic}])',
  ].join('|'),
  'gu',
);

/** For logs, pages and JSON: readable Unicode stays, whatever is unsafe becomes `?`. `max` counts UTF-16 units. */
export function printable(text: string, max = 512): string {
  const cut = text.length > max ? `${text.slice(0, max - 1)}…` : text;
  return /^[ -~]*$/.test(cut) ? cut : cut.replace(unsafe, '?');
}

/** What changes the direction of what stands behind it. */
const directions = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * For pages, terminals and mails that people read: as `printable`, but a bidirectional control stands there by its
 * number, as in `invoice_[U+202E]fdp.exe`, for it tells a trick.
 */
export function shown(text: string, max?: number): string {
  const named = /^[ -~]*$/.test(text)
    ? text
    : text.replace(directions, (c) => `[U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`);
  return printable(named, max);
}

/** For SMTP replies and header fields (RFC 5321 §4.2: textstring): printable ASCII only, all else becomes `?`. */
export function asciiText(text: string, max = 400): string {
  const cut = text.length > max ? `${text.slice(0, max - 3)}...` : text;
  return /^[ -~]*$/.test(cut) ? cut : cut.replace(/[^\x20-\x7e]/gu, '?');
}

/** For header fields that may carry UTF-8 (RFC 6532): one line, no controls, whatever else it holds. */
export function fieldText(text: string, max = 900): string {
  return printable(text, max);
}

/** Octets that are valid UTF-8 as text; undefined when they are not. */
export function decodeUtf8(octets: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(octets);
  } catch {
    return undefined;
  }
}

/** Octets, one to a character, as header fields have them, as text; where they are not UTF-8, they stay as they are. */
export const unicode = (octets: string): string =>
  /[^\x00-\x7f]/.test(octets) ? (decodeUtf8(Buffer.from(octets, 'latin1')) ?? octets) : octets;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** CR, LF or both: each becomes CRLF, so that no reader finds another line, or another end of the message, in it. */
export function withLineEnds(octets: Buffer): Buffer {
  const text = octets.toString('latin1');
  return /\r(?!\n)|(?<!\r)\n/.test(text) ? Buffer.from(text.replace(/\r\n?|\n/g, '\r\n'), 'latin1') : octets;
}
