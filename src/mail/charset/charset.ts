/**
 * Octets of a charset as text, for people: what nobody can read becomes U+FFFD. Node's TextDecoder does most; where it
 * is wrong, or knows the charset by another name only, this says what is right. Leaves finding the charset's name to
 * others.
 */
import { type Charset, cutBefore, whole } from './decoded.js';
import { iso2022Jp } from './iso-2022-jp.js';
import { utf7 } from './utf-7.js';
import { decodeUtf8 } from '../text.js';
import { windows1252 } from './windows-1252.js';
import { windows949 } from './windows-949.js';

/** Names that mail has and the Encoding Standard has not, by what they mean. */
const aliases: Readonly<Record<string, string>> = {
  cp932: 'shift_jis',
  cswindows31j: 'shift_jis',
  'windows-932': 'shift_jis',
  cp936: 'gb18030',
  ms936: 'gb18030',
  'windows-936': 'gb18030',
  // As Python's email package writes GB 2312 and Big5.
  eucgb2312_cn: 'gb18030',
  big5_tw: 'big5',
  cp949: 'euc-kr',
  ms949: 'euc-kr',
  uhc: 'euc-kr',
  cp950: 'big5',
  ms950: 'big5',
  chinesebig5: 'big5',
  cp874: 'windows-874',
  tis620: 'windows-874',
  'eucjp-ms': 'euc-jp',
  'mac-roman': 'macintosh',
  latin9: 'iso-8859-15',
  'iso-2022-jp-1': 'iso-2022-jp',
  'iso-2022-jp-ms': 'iso-2022-jp',
  cp50220: 'iso-2022-jp',
  cp50221: 'iso-2022-jp',
  cp50222: 'iso-2022-jp',
};

/** What a mail program writes when it does not know the charset. */
const unlabelled = new Set(['unknown-8bit', 'x-unknown', 'unknown', 'default', '8bit']);

const utf7Names = new Set(['utf-7', 'utf7', 'unicode-1-1-utf-7', 'x-unicode-2-0-utf-7']);

/**
 * Charsets that were found, by name. The Encoding Standard has some 220 names, so no client can make this grow for
 * ever.
 */
const known = new Map<string, Charset>();

/** The charset of that name, which may be in any case. Undefined when nobody knows it; finding that out is dear. */
export function charsetNamed(name: string): Charset | undefined {
  const label = name.trim().toLowerCase();
  const found = known.get(label) ?? newCharset(label);
  if (found) known.set(label, found);
  return found;
}

function newCharset(label: string): Charset | undefined {
  if (utf7Names.has(label)) return utf7;
  if (unlabelled.has(label)) return guessed;
  try {
    const name = Object.hasOwn(aliases, label) ? aliases[label] : label;
    const decoder = new TextDecoder(name, { ignoreBOM: true });
    switch (decoder.encoding) {
      // Node 20 takes it for ISO 8859-1.
      case 'windows-1252':
        return windows1252;
      // Node has KS X 1001 alone.
      case 'euc-kr':
        return windows949;
      // The superset, which has the euro and fewer characters of private use.
      case 'gbk':
        return multibyte(new TextDecoder('gb18030'));
      case 'iso-2022-jp':
        return iso2022Jp(decoder);
      default:
        return multibyte(decoder);
    }
  } catch {
    return undefined;
  }
}

/** Reads octets as UTF-8 where they can be that, else as windows-1252. */
const guessed: Charset = {
  decode(octets) {
    const text = decodeUtf8(octets);
    return text === undefined ? windows1252.decode(octets) : whole(text);
  },
};

/** An unfinished character has at most so many octets. */
const maxBeginning = 3;

function multibyte(decoder: InstanceType<typeof TextDecoder>): Charset {
  /** The octets end within a character if the decoder has something to add when it is told that this was all. */
  const decode = (octets: Buffer): { readonly text: string; readonly isCut: boolean } => {
    const text = decoder.decode(octets, { stream: true });
    return { text, isCut: decoder.decode() !== '' };
  };
  return {
    decode(octets) {
      const { text, isCut } = decode(octets);
      if (!isCut) return whole(text);
      for (let length = 1; length <= Math.min(maxBeginning, octets.length); length++) {
        const before = decode(octets.subarray(0, octets.length - length));
        if (!before.isCut) return cutBefore(octets.subarray(octets.length - length), before.text);
      }
      return whole(`${text}\ufffd`);
    },
  };
}
