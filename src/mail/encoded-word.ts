/**
 * A field's value as people read it, in index, page, terminal and digest: RFC 2047 encoded words, raw octets. Hostile
 * input costs linear time; a charset that nobody knows stays as it came. Leaves what is unsafe to show to text.ts.
 */
import { charsetNamed } from './charset/charset.js';
import type { Charset } from './charset/decoded.js';
import { windows1252 } from './charset/windows-1252.js';
import { decodeUtf8 } from './text.js';

/** Octets of input that are looked at. */
const maxInput = 65_536;
/** So many charset names in one value may turn out unknown; then the rest is left raw, for finding out is dear. */
const maxUnknown = 8;

// RFC 2047 §2, laxer about length and about spaces and 8-bit octets in the text, as real senders are. Every part stops
// at the next `?`, so no octet is scanned more than twice.
const encodedWord = /=\?([!->@-~]{1,60})\?([bq])\?([^?\r\n]*)\?=/gi;

interface Word {
  readonly charset: string;
  readonly octets: Buffer;
  readonly raw: string;
}

/**
 * `raw` holds octets as latin1 (as header.ts gives them); text that is Unicode already stays so. `charset` is that of
 * the mail's Content-Type, for octets that say nothing of themselves.
 */
export function decodeField(raw: string, charset?: string): string {
  const input = raw.length > maxInput ? raw.slice(0, maxInput) : raw;
  const plain = (octets: string): string => decodeOctets(octets, charset);
  if (!input.includes('=?')) return plain(input);
  const charsets = new Map<string, Charset | undefined>();
  let text = '';
  let end = 0;
  let run: Word[] = [];
  const flush = (): void => {
    text += run.length > 0 ? decodeRun(run, charsets) : '';
    run = [];
  };
  for (const match of input.matchAll(encodedWord)) {
    const between = input.slice(end, match.index);
    const word = wordOf(match);
    // RFC 2047 §6.2: white space between two encoded words is not shown.
    const adjoins = run.length > 0 && /^[ \t\r\n]*$/.test(between);
    if (!adjoins || run.at(-1)?.charset !== word.charset) flush();
    if (!adjoins) text += plain(between);
    run.push(word);
    end = match.index + match[0].length;
  }
  flush();
  return text + plain(input.slice(end));
}

function wordOf(match: RegExpExecArray): Word {
  const [raw, charset = '', encoding = '', encoded = ''] = match;
  const octets = encoding.toLowerCase() === 'b' ? Buffer.from(encoded, 'base64') : quotedOctets(encoded);
  // RFC 2231 §5: a language may follow the charset.
  return { charset: charset.toLowerCase().replace(/\*.*$/, ''), octets, raw };
}

/** RFC 2047 §4.2. */
function quotedOctets(encoded: string): Buffer {
  const hex = (_: string, digits: string): string => String.fromCharCode(parseInt(digits, 16));
  const text = encoded.replaceAll('_', ' ').replace(/=([0-9a-f]{2})/gi, hex);
  return Buffer.from(text, 'latin1');
}

/** Senders cut a character in two, and each half is a word (against RFC 2047 §5, and often): only those are joined. */
function decodeRun(run: readonly Word[], charsets: Map<string, Charset | undefined>): string {
  const charset = charsetFor(run[0]?.charset ?? '', charsets);
  if (!charset) return run.map((word) => word.raw).join(' ');
  let text = '';
  let before = charset.decode(Buffer.alloc(0));
  for (const { octets } of run) {
    const joined = charset.decode(Buffer.concat([before.rest, octets]));
    const goesOn = before.rest.length === 0 || !joined.text.startsWith('\ufffd');
    if (before.isCut && !goesOn) text += '\ufffd';
    before = goesOn ? joined : charset.decode(octets);
    text += before.text;
  }
  return (before.isCut ? `${text}\ufffd` : text).replace(/^\ufeff/, '');
}

function charsetFor(name: string, charsets: Map<string, Charset | undefined>): Charset | undefined {
  if (charsets.has(name)) return charsets.get(name);
  let unknown = 0;
  for (const known of charsets.values()) if (!known) unknown++;
  if (unknown >= maxUnknown) return undefined;
  const charset = charsetNamed(name);
  charsets.set(name, charset);
  return charset;
}

/**
 * Octets that are valid UTF-8 are UTF-8 (RFC 6532); others are in the mail's charset, or in windows-1252 where nobody
 * knows that.
 */
export function decodeOctets(text: string, charset: string | undefined): string {
  if (/^[ -~]*$/.test(text) || /[^\x00-\xff]/.test(text)) return text;
  const octets = Buffer.from(text, 'latin1');
  if (/^[\x00-\x7f]*$/.test(text)) return /\x1b\$[@B]/.test(text) ? textOf(charsetNamed('iso-2022-jp'), octets) : text;
  return decodeUtf8(octets) ?? textOf(charset === undefined ? undefined : charsetNamed(charset), octets);
}

function textOf(charset: Charset = windows1252, octets: Buffer): string {
  const { text, isCut } = charset.decode(octets);
  return isCut ? `${text}\ufffd` : text;
}

/** The charset that a Content-Type field names; undefined where it names none. */
export const charsetParameter = (contentType: string): string | undefined =>
  /;[ \t]*charset[ \t]*=[ \t]*"?([!#-:<-~]{1,60})/i.exec(contentType)?.[1];
