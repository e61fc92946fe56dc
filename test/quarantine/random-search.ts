/** Random entries of hostile text, and random searches for what is in them. */
import fc from 'fast-check';
import type { IndexEntry } from '../../src/quarantine/disk/index-entry.js';

export type RandomEntry = Omit<IndexEntry, 'filename' | 'time'>;

/** A text of at most so many atoms. */
export type Words = (maxAtoms: number) => fc.Arbitrary<string>;

export const wordsOf =
  (atoms: readonly string[]): Words =>
  (maxLength) =>
    fc.array(fc.constantFrom(...atoms), { minLength: 1, maxLength }).map((parts) => parts.join(''));

const fieldsOf = (words: Words): { readonly [K in keyof RandomEntry]-?: fc.Arbitrary<Required<RandomEntry>[K]> } => ({
  from: fc.oneof(words(6), fc.constant('')),
  headerFrom: words(6),
  recipient: words(6),
  subject: words(12),
  ip: fc.constantFrom('192.0.2.1', '192.0.2.11', '2001:db8::1', '', 'unknown'),
  host: words(4),
  helo: words(4),
  reason: words(6),
  plugin: fc.constantFrom('spf', 'SPF', 'other-1'),
  messageId: words(4),
  size: fc.nat(5_000_000),
  spf: fc.constantFrom('fail', 'pass'),
  score: fc.oneof(fc.constantFrom(0, 5, 7.5, -1.25), fc.double({ noNaN: true, noDefaultInfinity: true })),
  points: words(6),
  reply: words(6),
});

/** What a line may lack is lacking now and then. */
export const entriesOf = (words: Words): fc.Arbitrary<RandomEntry> =>
  fc.record(fieldsOf(words), {
    requiredKeys: ['from', 'recipient', 'subject', 'ip', 'host', 'helo', 'reason', 'plugin', 'messageId', 'size'],
  });

/** One or two terms each. */
export function searchesOf(words: Words): fc.Arbitrary<string> {
  const values = words(3).map((text) => text.replaceAll('"', ''));
  const terms = fc
    .tuple(
      fc.constantFrom('', '', '-'),
      fc.oneof(
        values.map((value) => `"${value}"`),
        fc
          .tuple(fc.constantFrom('from', 'header-from', 'to', 'subject', 'reason', 'host', 'helo', 'id'), values)
          .map(([key, value]) => `${key}:"${value}"`),
        fc.constantFrom('plugin:spf', 'plugin:other-1', 'spf:fail', 'spf:FAIL', 'larger:2m', 'domain:A.example'),
        fc.constantFrom('from:<>', 'ip:192.0.2.1', 'ip:192.0.2', 'ip:192.0.2.0/24', 'ip:2001:DB8::1'),
        fc.constantFrom('score:>5', 'score:<5', 'score:7.5', 'score:>-1.25', 'score:0', 'id:7', 'id:example'),
        // Neither takes a minus: such a search is none.
        fc.constantFrom('after:2h', 'before:1h', 'after:yesterday', 'is:released', 'is:deleted'),
      ),
    )
    .map((parts) => parts.join(''));
  return fc.array(terms, { minLength: 1, maxLength: 2 }).map((some) => some.join(' '));
}
