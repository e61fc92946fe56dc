/**
 * What an evaluation reads in an answer of the DNS, and once in one and the same answer: which of a domain's TXT
 * records is its SPF record (RFC 7208 §3.2, §3.3, §4.5), and which hosts its MX records name (§5.4).
 */
import type { Mx } from '../dns/resolver.js';
import { isQueryName, withoutFinalDot } from './domain.js';
import { isSpfRecord, parseRecord } from './parse.js';
import type { ParsedRecord } from './record.js';

export type Selection =
  { readonly kind: 'none' } | { readonly kind: 'several' } | { readonly kind: 'one'; readonly text: string };

/** A domain's record, parsed when somebody first wants it: not all of it may be wanted (`SpfLimits.text`). */
class PublishedText {
  readonly kind = 'one';
  readonly text: string;
  #parsed: ParsedRecord | undefined = undefined;

  constructor(text: string) {
    this.text = text;
  }

  get parsed(): ParsedRecord {
    return (this.#parsed ??= parseRecord(this.text));
  }
}

export type PublishedRecord = Exclude<Selection, { kind: 'one' }> | PublishedText;

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

/** What the records of an answer were found to be, for as long as somebody keeps them, as a cache of the DNS does. */
const published = new WeakMap<readonly (readonly string[])[], PublishedRecord>();

/** The record among the TXT records of an answer: selected and parsed once for one and the same answer. */
export function publishedRecord(records: readonly (readonly string[])[]): PublishedRecord {
  return published.get(records) ?? readRecord(records);
}

function readRecord(records: readonly (readonly string[])[]): PublishedRecord {
  const selected = selectRecord(records);
  const read = selected.kind === 'one' ? new PublishedText(selected.text) : selected;
  published.set(records, read);
  return read;
}

const hosts = new WeakMap<readonly Mx[], readonly string[]>();

/**
 * The hosts of an MX answer in order of preference, without those that DNS cannot be asked for: '' is the null MX
 * (RFC 7505).
 */
export function mxHosts(records: readonly Mx[]): readonly string[] {
  return hosts.get(records) ?? readHosts(records);
}

function readHosts(records: readonly Mx[]): readonly string[] {
  const inOrder = records.toSorted((a, b) => a.preference - b.preference);
  const read = inOrder.map(({ exchange }) => withoutFinalDot(exchange)).filter(isQueryName);
  hosts.set(records, read);
  return read;
}
