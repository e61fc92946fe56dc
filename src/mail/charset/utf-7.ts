/** UTF-7 (RFC 2152): UTF-16 in modified base64 between `+` and `-`. */
import { type Charset, cutBefore, whole } from './decoded.js';

export const utf7: Charset = {
  decode(octets) {
    const all = octets.toString('latin1');
    const open = /\+[A-Za-z0-9+/]+$/.exec(all)?.[0] ?? '';
    const isCut = (open.length > 0 ? (open.length - 1) * 6 : 0) % 16 >= 6;
    if (!isCut) return whole(decodeShifts(all));
    return cutBefore(octets.subarray(octets.length - open.length), decodeShifts(all.slice(0, -open.length)));
  },
};

const decodeShifts = (text: string): string =>
  text
    .replace(/[\x80-\xff]/g, '\ufffd')
    .replace(/\+([A-Za-z0-9+/]*)-?/g, (_, base64: string) => (base64 === '' ? '+' : utf16(base64)))
    .replace(/\p{Cs}/gu, '\ufffd');

/** Bits that are no whole character are padding. */
function utf16(base64: string): string {
  const octets = Buffer.from(base64, 'base64');
  return octets
    .subarray(0, octets.length & ~1)
    .swap16()
    .toString('utf16le');
}
