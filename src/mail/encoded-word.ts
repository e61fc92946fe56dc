/**
 * Decodes a Subject for the index (RFC 2047 encoded words, raw UTF-8). Hostile input costs linear time; what cannot be
 * decoded stays as it came. Leaves escaping and cutting to the index line.
 */
import { decodeUtf8 } from './text.js';

type TextDecoder = InstanceType<typeof globalThis.TextDecoder>;

/** Octets of input that are looked at. */
const maxInput = 65_536;
/** Charset names in one value that may turn out unknown, before the rest is left raw: finding out is dear. */
const maxUnknown = 8;

// RFC 2047 §2, laxer about length and about spaces and 8-bit octets in the text, as real senders are. Every part stops
// at the next `?`, so no octet is scanned more than twice.
const encodedWord = /=\?([!->@-~]{1,60})\?([bq])\?([^?\r\n]*)\?=/gi;

interface Word {
  readonly charset: string;
  readonly octets: Buffer;
  readonly raw: string;
}

/** `raw` holds octets as latin1 (as header.ts gives them); text that is Unicode already stays so. */
export function decodeSubject(raw: string): string {
  const input = raw.length > maxInput ? raw.slice(0, maxInput) : raw;
  if (!input.includes('=?')) return plain(input);
  const decoders = new Map<string, TextDecoder | undefined>();
  let text = '';
  let end = 0;
  let run: Word[] = [];
  const flush = (): void => {
    text += run.length > 0 ? decodeRun(run, decoders) : '';
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

/** Words of one charset are decoded together: senders cut characters in two (against RFC 2047 §5, and often). */
function decodeRun(run: readonly Word[], decoders: Map<string, TextDecoder | undefined>): string {
  const decoder = decoderFor(run[0]?.charset ?? '', decoders);
  if (!decoder) return run.map((word) => word.raw).join(' ');
  return decoder.decode(Buffer.concat(run.map((word) => word.octets)));
}

function decoderFor(charset: string, decoders: Map<string, TextDecoder | undefined>): TextDecoder | undefined {
  if (decoders.has(charset)) return decoders.get(charset);
  let unknown = 0;
  for (const known of decoders.values()) if (!known) unknown++;
  if (unknown >= maxUnknown) return undefined;
  const decoder = newDecoder(charset);
  decoders.set(charset, decoder);
  return decoder;
}

function newDecoder(charset: string): TextDecoder | undefined {
  try {
    return new TextDecoder(charset);
  } catch {
    return undefined;
  }
}

/** Raw 8-bit text that is valid UTF-8 is UTF-8 (RFC 6532); anything else is left alone. */
function plain(text: string): string {
  if (/^[\x00-\x7f]*$/.test(text) || /[^\x00-\xff]/.test(text)) return text;
  return decodeUtf8(Buffer.from(text, 'latin1')) ?? text;
}
