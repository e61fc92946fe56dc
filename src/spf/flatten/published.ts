/** Flat records beside what is published: record by record, and term by term. */
import type { DnsAnswer } from '../../dns/resolver.js';
import { type Result, wrong } from '../../mail/result.js';
import { selectRecord } from '../read-answer.js';
import { blocksOf, type FlatRecord, includedName } from './flat-records.js';
import { flatten, type Flat, type FlatTerm, type FlattenOptions, type FlattenProblem } from './flatten.js';
import { isWithinNetwork, networkTerm } from './networks.js';

export interface RecordChange {
  readonly name: string;
  /** The SPF record that is there; undefined where there is none. */
  readonly published: string | undefined;
  /** Undefined where none is needed any more. */
  readonly wanted: string | undefined;
}

export interface TermChange {
  /** A network or a term that stays, with its qualifier. */
  readonly term: string;
  /** The terms that it comes from; empty where they are not known. */
  readonly from: readonly string[];
}

export interface FlatDifference {
  /** Those that are published as they should be are not among them. */
  readonly records: readonly RecordChange[];
  readonly added: readonly TermChange[];
  readonly removed: readonly TermChange[];
}

/** `flat` and `records` are what should be published. */
export async function differenceFromPublished(
  domain: string,
  { flat, records }: { readonly flat: Flat; readonly records: readonly FlatRecord[] },
  options: FlattenOptions,
): Promise<Result<FlatDifference, FlattenProblem>> {
  const there = await publishedAt([domain], options);
  if (!there.ok) return there;
  const main = there.value.get(domain);
  const theirs = main === undefined ? undefined : await flatten({ domain, record: main }, options);
  // A record that is broken is replaced like any other.
  if (theirs?.ok === false && theirs.problem.isTemporary) return theirs;
  const names = [...new Set([...records.map(({ name }) => name), domain, ...includedIn(main ?? '', domain)])];
  const published = await publishedAt(names, options);
  if (!published.ok) return published;
  const changes = names.map((name): RecordChange => ({
    name,
    published: published.value.get(name),
    wanted: records.find((record) => record.name === name)?.text,
  }));
  const before = theirs?.ok ? theirs.value : undefined;
  return {
    ok: true,
    value: {
      records: changes.filter(({ published: is, wanted }) => is !== wanted),
      added: missingIn(before, flat),
      removed: before === undefined ? [] : missingIn(flat, before),
    },
  };
}

/** The numbered records of the domain that its record includes. */
const includedIn = (record: string, domain: string): readonly string[] =>
  [...record.matchAll(/\binclude:_spf(\d{1,2})\.([^ ]+)/gi)]
    .filter(([, , below = '']) => below.toLowerCase() === domain.toLowerCase())
    .map(([, number]) => includedName(domain, Number(number)));

/** Reads the records, by name; leaves out names with no record or with several. */
async function publishedAt(
  names: readonly string[],
  { resolver, signal }: FlattenOptions,
): Promise<Result<ReadonlyMap<string, string>, FlattenProblem>> {
  const found = new Map<string, string>();
  for (const name of names) {
    const answer: DnsAnswer<readonly string[]> = await resolver.lookup(name, 'TXT', signal && { signal });
    if (answer.kind === 'failed') {
      return wrong({ isTemporary: true, text: `the TXT look-up of ${name} failed: ${answer.problem}` });
    }
    const selected = answer.kind === 'found' ? selectRecord(answer.records) : undefined;
    if (selected?.kind === 'one') found.set(name, selected.text);
  }
  return { ok: true, value: found };
}

/** The terms of `flat` that `other` has not. */
function missingIn(other: Flat | undefined, flat: Flat): readonly TermChange[] {
  const known = new Set((other === undefined ? [] : writtenTerms(other)).map(({ term }) => term));
  return writtenTerms(flat)
    .filter(({ term }) => !known.has(term))
    .map(({ term, isSource }) => ({ term, from: fromOf(flat.terms.filter(isSource)) }));
}

interface WrittenTerm {
  /** With its qualifier. */
  readonly term: string;
  /** Is the flat term among those that it was made of? */
  readonly isSource: (term: FlatTerm) => boolean;
}

function writtenTerms(flat: Flat): readonly WrittenTerm[] {
  return blocksOf(flat.terms).flatMap(({ result, networks, kept }): WrittenTerm[] => {
    const sign = result === 'pass' ? '' : { fail: '-', softfail: '~', neutral: '?' }[result];
    return [
      ...networks.map((network) => ({
        term: `${sign}${networkTerm(network)}`,
        isSource: (one: FlatTerm) =>
          one.kind === 'network' && one.result === result && isWithinNetwork(one.network, network),
      })),
      ...kept.map(({ text }) => ({
        term: `${sign}${text}`,
        isSource: (one: FlatTerm) => one.kind === 'kept' && one.result === result && one.text === text,
      })),
    ];
  });
}

const fromOf = (terms: Flat['terms']): readonly string[] => [...new Set(terms.map(({ from }) => from))];
