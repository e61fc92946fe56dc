/**
 * Flat terms as the records to publish: one where it fits, else one that includes others, each small enough for an
 * answer in a UDP packet (RFC 7208 §3.4). The same terms make the same records, in whatever order DNS named addresses.
 */
import type { Network } from '../../mail/ip.js';
import { defaultLimits } from '../limits.js';
import type { DirectiveResult } from '../record.js';
import type { Flat, FlatKept, FlatTerm } from './flatten.js';
import { aggregate, isWithinNetwork, networkTerm } from './networks.js';

export interface FlatRecord {
  /** Where it is published, without a final dot. */
  readonly name: string;
  readonly text: string;
}

export interface FlatRecords {
  /** The domain's own comes first. */
  readonly records: readonly FlatRecord[];
  /** Terms that ask DNS when they are evaluated. */
  readonly lookups: number;
  /** Why they may not be published so; undefined where they may. */
  readonly problem: string | undefined;
}

/** RFC 7208 §3.4: name and text below 450 octets fit into 512 octets of UDP. */
export const maxRecordOctets = 450;

/** Terms of one result, between which the order does not matter. */
export interface FlatBlock {
  readonly result: DirectiveResult;
  /** As few as can be, none of them in those of an earlier block. */
  readonly networks: readonly Network[];
  /** Terms that stay, each once. */
  readonly kept: readonly FlatKept[];
}

export function blocksOf(terms: readonly FlatTerm[]): readonly FlatBlock[] {
  const decided: Network[] = [];
  return runsOf(terms).map(({ result, run }) => {
    const networks = aggregate(run.flatMap((term) => (term.kind === 'network' ? [term.network] : []))).filter(
      (one) => !decided.some((wide) => isWithinNetwork(one, wide)),
    );
    decided.push(...networks);
    const kept = new Map(run.flatMap((term) => (term.kind === 'kept' ? [[term.text, term] as const] : [])));
    return { result, networks, kept: [...kept.values()] };
  });
}

/** Terms of one result that follow each other. */
function runsOf(terms: readonly FlatTerm[]): readonly { readonly result: DirectiveResult; readonly run: FlatTerm[] }[] {
  const runs: { readonly result: DirectiveResult; readonly run: FlatTerm[] }[] = [];
  for (const term of terms) {
    const last = runs.at(-1);
    if (last?.result === term.result) last.run.push(term);
    else runs.push({ result: term.result, run: [term] });
  }
  return runs;
}

export function flatRecords(domain: string, { terms, all, modifiers, modifierLookups }: Flat): FlatRecords {
  const blocks = blocksOf(terms);
  const end = [...(all === undefined ? [] : [`${qualifierOf[all]}all`]), ...modifiers];
  const kept = blocks.flatMap((block) => block.kept).reduce((sum, { lookups }) => sum + lookups, modifierLookups);
  const whole = recordOf(domain, [...blocks.flatMap((block) => inlineTerms(block)), ...end]);
  if (octetsOf(whole) <= maxRecordOctets) return judged([whole], kept);
  const included: FlatRecord[] = [];
  const main = blocks.flatMap((block) => {
    const records = includedRecords(domain, block.networks, included.length);
    included.push(...records);
    const includes = records.map(({ name }) => `${signOf(block)}include:${name}`);
    return [...includes, ...inlineTerms({ ...block, networks: [] })];
  });
  return judged([recordOf(domain, [...main, ...end]), ...included], kept + included.length);
}

/** Cuts a record into the strings of a TXT record (RFC 7208 §3.3), after spaces. */
export function stringsOf(text: string): readonly string[] {
  const strings: string[] = [];
  for (let rest = text; rest !== '';) {
    const space = rest.length > maxString ? rest.lastIndexOf(' ', maxString - 1) : -1;
    const cut = space < 0 ? maxString : space + 1;
    strings.push(rest.slice(0, cut));
    rest = rest.slice(cut);
  }
  return strings;
}

/** Octets of one string: a length octet stands before it (RFC 1035 §3.3). */
const maxString = 255;

/** What is included by number, as `_spf1.example.org`. */
export const includedName = (domain: string, number: number): string => `_spf${number}.${domain}`;

/** `before`: how many there are already. */
function includedRecords(domain: string, networks: readonly Network[], before: number): readonly FlatRecord[] {
  const records: FlatRecord[] = [];
  let terms: string[] = [];
  const record = (more: readonly string[]): FlatRecord =>
    recordOf(includedName(domain, before + records.length + 1), [...terms, ...more, '-all']);
  for (const term of networks.map(networkTerm)) {
    if (octetsOf(record([term])) > maxRecordOctets) {
      records.push(record([]));
      terms = [];
    }
    terms.push(term);
  }
  return terms.length === 0 ? records : [...records, record([])];
}

const recordOf = (name: string, terms: readonly string[]): FlatRecord => ({
  name,
  text: ['v=spf1', ...terms].join(' '),
});
const octetsOf = ({ name, text }: FlatRecord): number => name.length + text.length;

const inlineTerms = (block: FlatBlock): readonly string[] =>
  [...block.networks.map(networkTerm), ...block.kept.map(({ text }) => text)].map((term) => `${signOf(block)}${term}`);

const qualifierOf: Readonly<Record<DirectiveResult, string>> = { pass: '+', fail: '-', softfail: '~', neutral: '?' };
const signOf = ({ result }: FlatBlock): string => (result === 'pass' ? '' : qualifierOf[result]);

function judged(records: readonly FlatRecord[], lookups: number): FlatRecords {
  const [main] = records;
  const problem =
    lookups > defaultLimits.lookups
      ? `it needs ${lookups} look-ups, and ${defaultLimits.lookups} are allowed: name fewer or wider networks`
      : main !== undefined && octetsOf(main) > maxRecordOctets
        ? `the record of ${main.name} takes ${octetsOf(main)} octets with its name, and ${maxRecordOctets} fit into a UDP packet`
        : undefined;
  return { records, lookups, problem };
}
