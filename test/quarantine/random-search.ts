/** Random entries of hostile text, and random searches for what is in them. */
import fc from 'fast-check';
import type { IndexEntry } from '../../src/quarantine/disk/index-entry.js';

/** A text of at most so many atoms. */
export type Words = (maxAtoms: number) => fc.Arbitrary<string>;

export const wordsOf =
  (atoms: readonly string[]): Words =>
  (maxLength) =>
    fc.array(fc.constantFrom(...atoms), { minLength: 1, maxLength }).map((parts) => parts.join(''));

export const entriesOf = (words: Words): fc.Arbitrary<Omit<IndexEntry, 'filename' | 'time'>> =>
  fc.record({
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
      ),
    )
    .map((parts) => parts.join(''));
  return fc.array(terms, { minLength: 1, maxLength: 2 }).map((some) => some.join(' '));
}
