/**
 * Which of a domain's TXT records is its SPF record (RFC 7208 §3.2, §3.3, §4.5).
 */
import { isSpfRecord } from './parse.js';

export type Selection =
  { readonly kind: 'none' } | { readonly kind: 'several' } | { readonly kind: 'one'; readonly text: string };

const none: Selection = { kind: 'none' };
const several: Selection = { kind: 'several' };

/**
 * The record among the TXT records of a domain. The strings of one are joined "without adding spaces"
 * (§3.3); those without the version section are none of our business, whatever octets they hold.
 */
export function selectRecord(records: readonly (readonly string[])[]): Selection {
  let found: string | undefined;
  for (const strings of records) {
    const text = strings.length === 1 ? (strings[0] ?? '') : strings.join('');
    if (!isSpfRecord(text)) continue;
    if (found !== undefined) return several; // §4.5: "more than one record … produces the "permerror" result"
    found = text;
  }
  return found === undefined ? none : { kind: 'one', text: found };
}
