/** Random inputs made of known ones: what a fuzzer feeds. The same seed gives the same inputs. */

/** Numbers from 0 up to, not including, `below`. */
export type Random = (below: number) => number;

/** Mulberry32. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** No input grows beyond this, but for the few that are meant to be large. */
const maxOctets = 4096;
const maxLargeOctets = 65_536;

/** Octets at which parsers change their mind. */
const interesting = Buffer.from(
  '\0\t\n\r !"#%&\'()*+,-./0189:;<=>?@AZ[\\]^_`az{|}~\x7f\x80\xbf\xc0\xe2\xf0\xff',
  'latin1',
);

type Edit = (octets: Buffer, random: Random, corpus: readonly Buffer[]) => Buffer;

const edits: readonly Edit[] = [
  (octets, random) => replaced(octets, random(octets.length + 1), 1, Buffer.of(random(256))),
  (octets, random) => replaced(octets, random(octets.length + 1), 1, octetOf(random)),
  (octets, random) => replaced(octets, random(octets.length + 1), 0, octetOf(random)),
  (octets, random) => replaced(octets, random(octets.length + 1), 1 + random(16), Buffer.alloc(0)),
  (octets, random) => replaced(octets, random(octets.length + 1), 0, pieceOf(octets, random)),
  (octets, random, corpus) =>
    replaced(octets, random(octets.length + 1), random(8), pieceOf(oneOf(corpus, random), random)),
  (octets, random, corpus) => {
    const other = oneOf(corpus, random);
    return Buffer.concat([octets.subarray(0, random(octets.length + 1)), other.subarray(random(other.length + 1))]);
  },
  (octets, random) => {
    const at = random(octets.length + 1);
    return replaced(octets, at, 0, Buffer.concat(Array(1 + random(64)).fill(octets.subarray(at, at + 1 + random(8)))));
  },
];

/** A known input with a few edits; one in some thousand is large. */
export function mutated(corpus: readonly Buffer[], random: Random): Buffer {
  let octets = oneOf(corpus, random);
  for (let left = 1 + random(6); left > 0; left--)
    octets = oneOf(edits, random)(octets, random, corpus).subarray(0, maxOctets);
  return random(4000) === 0 ? enlarged(octets, random) : octets;
}

/** A piece of the input over and over: what costs more than linear time shows. */
function enlarged(octets: Buffer, random: Random): Buffer {
  const start = random(octets.length + 1);
  const piece = octets.subarray(start, start + 1 + random(12));
  const count = Math.floor(maxLargeOctets / Math.max(1, piece.length));
  return Buffer.concat([octets.subarray(0, start), ...Array<Buffer>(count).fill(piece), octets.subarray(start)]);
}

function replaced(octets: Buffer, at: number, length: number, by: Buffer): Buffer {
  return Buffer.concat([octets.subarray(0, at), by, octets.subarray(at + length)]);
}

function pieceOf(octets: Buffer, random: Random): Buffer {
  const start = random(octets.length + 1);
  return octets.subarray(start, start + random(40));
}

const octetOf = (random: Random): Buffer => Buffer.of(interesting[random(interesting.length)] ?? 0);

export function oneOf<T>(of: readonly T[], random: Random): T {
  const one = of[random(of.length)];
  if (one === undefined) throw new Error('nothing to choose from');
  return one;
}
