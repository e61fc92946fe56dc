/** ISO-2022-JP (RFC 1468), whose octets mean what the escape sequence before them says. */
import type { Charset } from './decoded.js';

/** To ASCII, JIS X 0201 and JIS X 0208, the last of which has two octets a character. */
const escapes = /\x1b(?:\([BIJ]|\$[@B])/g;

/** To where each text begins. */
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
      // Who leaves the sequence open has cut the octets without looking: it holds for the next ones.
      rest: Buffer.from((state === ascii ? '' : state) + cut, 'latin1'),
    };
  },
});

/** Of several sequences in a row the last counts; Node calls that an error. */
const plainer = (text: string): string => text.replace(/(?:\x1b(?:\([BIJ]|\$[@B]))+(?=\x1b(?:\([BIJ]|\$[@B]))/g, '');
