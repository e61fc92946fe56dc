/**
 * Looks for what comes closest to a search that found nothing: the same without one of its terms, or with half an
 * address.
 */
import { type JournalQuery, queryOf } from '../../journal/query.js';
import type { JournalSource } from '../../journal/journal-source.js';

export interface Closest {
  /** It is what was looked for instead, as somebody would write it. */
  readonly search: string;
  /** How many were found before the search stopped. */
  readonly count: number;
  readonly isMore: boolean;
  /** They are the verdicts of the lines that were found. */
  readonly verdicts: readonly string[];
}

const enough = 100;
/** Milliseconds for each further search: not much, because the first one took its time. */
const patienceMs = 3_000;

type Terms = JournalQuery['terms'];

/** Returns the first of the likely searches that finds something. */
export async function closestTo(query: JournalQuery, journal: JournalSource): Promise<Closest | undefined> {
  for (const terms of likely(query.terms)) {
    const parsed = queryOf(terms);
    if (!parsed.ok) continue;
    const found = await count(parsed.value, journal);
    if (found.count > 0) return { search: textOf(terms), ...found };
  }
  return undefined;
}

/**
 * The searches to try, in this order: without the verdict; the same local-part anywhere; anybody of the same domain;
 * without each of the terms.
 */
function likely(terms: Terms): readonly Terms[] {
  const without = (i: number): Terms => terms.toSpliced(i, 1);
  const changed = terms.flatMap((term, i): readonly Terms[] => {
    const [, local = '', domain = ''] = /^([^@\s]+)@([^@\s]+)$/.exec(term.value) ?? [];
    if (domain === '' || term.not) return [];
    return [`${local}@`, `@${domain}`].map((value) => terms.with(i, { ...term, value }));
  });
  const verdict = terms.findIndex(({ key }) => key === 'verdict');
  const rest = terms.map((_, i) => without(i)).filter((fewer) => fewer.length > 0);
  return [...(verdict < 0 || terms.length < 2 ? [] : [without(verdict)]), ...changed, ...rest];
}

async function count(query: JournalQuery, journal: JournalSource): Promise<Omit<Closest, 'search'>> {
  const verdicts = new Set<string>();
  const end = performance.now() + patienceMs;
  let found = 0;
  for await (const step of journal.search({ query })) {
    if ('line' in step) {
      found++;
      verdicts.add(step.line.verdict);
    }
    if (found >= enough || performance.now() > end) break;
  }
  return { count: found, isMore: found >= enough, verdicts: [...verdicts] };
}

const textOf = (terms: Terms): string =>
  terms
    .map(({ key, value, not }) => {
      const text = /\s/.test(value) ? `"${value}"` : value;
      return `${not ? '-' : ''}${key === 'any' ? '' : `${key}:`}${text}`;
    })
    .join(' ');
