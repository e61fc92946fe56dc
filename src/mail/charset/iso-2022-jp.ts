/** ISO-2022-JP (RFC 1468), whose octets mean what the escape sequence before them says. */
import type { Charset } from './decoded.js';

/** The escape sequences switch to ASCII, JIS X 0201 and JIS X 0208, the last of which has two octets a character. */
const escapes = /\x1b(?:\([BIJ]|\$[@B])/g;

/** Each text begins in ASCII. */
const ascii = '\x1b(B';

export const iso2022Jp = (decoder: InstanceType<typeof TextDecoder>): Charset => ({
  decode(octets) {
    const all = octets.toString('latin1');
    const last = [...all.matchAll(escapes)].at(-1);
    const state = last?.[0] ?? ascii;
    const since = all.slice(last ? last.index + state.length : 0);
    const cut =
      /\x1b[$(]?$/.exec(since)?.[0] ?? (state.startsWith('\x1b$') && since.length % 2 === 1 ? all.slice(-1) : '');
    return {
      text: decoder.decode(Buffer.from(plainer(all.slice(0, all.length - cut.length)), 'latin1')),
      isCut: cut !== '',
      // A text that does not end in ASCII was cut somewhere: its last escape sequence holds for the next octets.
      rest: Buffer.from((state === ascii ? '' : state) + cut, 'latin1'),
    };
  },
});

/** Leaves only the last of several sequences in a row, which is the one that counts; Node calls several an error. */
const plainer = (text: string): string => text.replace(/(?:\x1b(?:\([BIJ]|\$[@B]))+(?=\x1b(?:\([BIJ]|\$[@B]))/g, '');
