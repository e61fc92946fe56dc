/**
 * windows-949, which Korean mail calls EUC-KR or KS C 5601: KS X 1001, and behind it all Hangul syllables that are
 * missing there, in Unicode's order, in the rows and columns that it leaves free.
 */
import { type Charset, cutBefore, whole } from './decoded.js';

export const windows949: Charset = {
  decode(octets) {
    let text = '';
    for (let i = 0; i < octets.length; i++) {
      const lead = octets.readUInt8(i);
      if (lead < 0x80) text += String.fromCharCode(lead);
      else if (i + 1 === octets.length && lead > 0x80 && lead < 0xff) return cutBefore(octets.subarray(i), text);
      else {
        const trail = octets[i + 1] ?? 0;
        const character = tableOf().get((lead << 8) | trail);
        text += character ?? '\ufffd';
        // An ASCII octet behind half a character is not swallowed with it.
        if (character !== undefined || trail >= 0x80) i++;
      }
    }
    return whole(text);
  },
};

let table: ReadonlyMap<number, string> | undefined;

/** Made for the first mail that needs it. */
const tableOf = (): ReadonlyMap<number, string> => (table ??= newTable());

function newTable(): ReadonlyMap<number, string> {
  const characters = new Map(standard());
  const taken = new Set(characters.values());
  const missing = syllables().filter((syllable) => !taken.has(syllable));
  for (const [i, code] of freePlaces().entries()) {
    const syllable = missing[i];
    if (syllable !== undefined) characters.set(code, syllable);
  }
  return characters;
}

const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** KS X 1001, as Node knows it. */
function standard(): readonly (readonly [code: number, character: string])[] {
  const codes = range(0xa1, 0xfe).flatMap((lead) => range(0xa1, 0xfe).map((trail) => (lead << 8) | trail));
  const octets = Buffer.from(codes.flatMap((code) => [code >> 8, code & 0xff, 0x0a]));
  const lines = new TextDecoder('euc-kr').decode(octets).split('\n');
  return codes.flatMap((code, i) => {
    const character = lines[i] ?? '';
    return character.length === 1 && !/[\ufffd\ue000-\uf8ff]/.test(character) ? [[code, character] as const] : [];
  });
}

const syllables = (): readonly string[] => range(0xac00, 0xd7a3).map((code) => String.fromCharCode(code));

/**
 * Columns that no character of KS X 1001 has: letters, and what is below 0xA1; in the first rows all others as well.
 */
function freePlaces(): readonly number[] {
  const low = [...range(0x41, 0x5a), ...range(0x61, 0x7a), ...range(0x81, 0xa0)];
  const all = [...low, ...range(0xa1, 0xfe)];
  return range(0x81, 0xc6).flatMap((lead) => (lead <= 0xa0 ? all : low).map((trail) => (lead << 8) | trail));
}
