/**
 * Inputs that are long and as unfriendly as one character, or a few, can be: what is quadratic takes minutes over
 * them.
 */
import fc from 'fast-check';

const size = 1_000_000;

export const nasty: readonly (readonly [what: string, text: string])[] = [
  ...[
    '(',
    ')',
    '<',
    '>',
    '"',
    '\\',
    ' ',
    '\t',
    ',',
    '.',
    ':',
    ';',
    '@',
    '-',
    '[',
    '=',
    'a',
    '\xff',
    '\u00e9',
    '\ud800',
  ].map((c) => [`a megabyte of ${JSON.stringify(c)}`, c.repeat(size)] as const),
  ...['()', '<>', '(a', '<a', '"a', 'a ', 'a.', 'a@', '@a:', ' =', '\\"', '\r\n', '\r\n ', 'a:\r\n', ' \r\n'].map(
    (part) => [`half a million of ${JSON.stringify(part)}`, part.repeat(size / 2)] as const,
  ),
  ['white space that ends in something else', `${' '.repeat(size)}x`],
  ['open comments that are never closed, then an address', `${'('.repeat(size)}<a@b>`],
];

/** Any octets, as latin1 text; often those that mean something. */
export const anyOctets: fc.Arbitrary<string> = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((octets) => Buffer.from(octets).toString('latin1')),
  fc
    .array(fc.constantFrom(...Array.from('<>()[]"\\@:;,. \t\r\n\0=-_*/aé'), 'xn--', '\u3002', '::', '1', '255', '..'), {
      maxLength: 60,
    })
    .map((parts) => parts.join('')),
);

/** Any text, lone surrogates included. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  anyOctets,
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.string({ unit: 'grapheme', maxLength: 100 }),
);
