import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameReader, frame, stringsOf } from '../../src/milter/codec.js';
import { packet, uint32 } from '../support/milter-mta.js';

/** Every frame of a stream that arrives in those pieces. */
function read(pieces: readonly Buffer[], limit?: number): { frames: [code: number, data: string][]; broken?: string } {
  const reader = new FrameReader(limit);
  const frames: [number, string][] = [];
  for (const piece of pieces) {
    reader.push(piece);
    while (reader.next()) frames.push([reader.code, reader.octets.toString('latin1', reader.start, reader.end)]);
  }
  return reader.broken === undefined ? { frames } : { frames, broken: reader.broken };
}

function cut(octets: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (octets.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, i) => octets.subarray(start, [...at, octets.length][i]));
}

const tooLong = 'a frame of 65537 octets, over 65536';
const broken: readonly [what: string, stream: Buffer, frames: number, problem: string | undefined][] = [
  ['nothing', Buffer.alloc(0), 0, undefined],
  ['half a length', Buffer.from([0, 0]), 0, undefined],
  ['a frame without data', packet('T'), 1, undefined],
  ['a frame of length 0', uint32(0), 0, 'a frame of length 0'],
  ['a good frame, then length 0', Buffer.concat([packet('T'), uint32(0), packet('T')]), 1, 'a frame of length 0'],
  ['the longest frame', packet('B', 'x'.repeat(65_535)), 1, undefined],
  ['one octet more, on its length alone', uint32(65_537), 0, tooLong],
  ['4 GB', uint32(0xffffffff), 0, 'a frame of 4294967295 octets, over 65536'],
];

for (const [what, stream, frames, problem] of broken) {
  test(`${what}: ${problem ?? `${frames} frames`}`, () => {
    const octetByOctet = Array.from(stream.subarray(0, 200), (octet) => Buffer.of(octet));
    for (const pieces of [[stream], [...octetByOctet, stream.subarray(200)]]) {
      const got = read(pieces);
      assert.equal(got.frames.length, frames);
      assert.equal(got.broken, problem);
    }
  });
}

test('nothing is read behind what is broken', () => {
  const reader = new FrameReader();
  reader.push(uint32(0));
  assert.equal(reader.next(), false);
  reader.push(packet('T'));
  assert.equal(reader.next(), false);
});

test('an announced length costs nothing until octets come', () => {
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 1000 }, () => new FrameReader());
  for (const reader of readers) {
    reader.push(Buffer.concat([uint32(65_536), Buffer.from('B')]));
    assert.equal(reader.next(), false);
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 10_000_000);
});

const anyFrame = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 300 }));
const places = fc.array(fc.nat(), { maxLength: 20 });

test('property: what is framed is read again, however the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 8 }), places, (sent, at) => {
      const stream = Buffer.concat(sent.map(([code, octets]) => frame(String.fromCharCode(code), octets)));
      const expected = sent.map(([code, octets]) => [code, Buffer.from(octets).toString('latin1')]);
      assert.deepEqual(read(cut(stream, at)), { frames: expected });
    }),
  );
});

test('property: any octets, cut anywhere, give the same frames and the same end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), places, fc.integer({ min: 1, max: 100 }), (octets, at, limit) => {
      const stream = Buffer.from(octets);
      assert.deepEqual(read(cut(stream, at), limit), read([stream], limit));
    }),
  );
});

const strings: readonly [what: string, octets: string, expected: readonly string[] | undefined][] = [
  ['no octets are no strings', '', []],
  ['an empty string', '\0', ['']],
  ['two', 'a\0b\0', ['a', 'b']],
  ['octets above ASCII, one to a character', '\x80\xff\0', ['\x80\xff']],
  ['an end is missing', 'a\0b', undefined],
];

for (const [what, octets, expected] of strings) {
  test(`strings: ${what}`, () => {
    const buffer = Buffer.from(`xx${octets}yy`, 'latin1');
    assert.deepEqual(stringsOf(buffer, 2, 2 + octets.length), expected);
  });
}
