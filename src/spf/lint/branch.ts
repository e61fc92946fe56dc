/** The tree of the terms that ask DNS, and what they cost, held against the limits of RFC 7208 §4.6.4. */
import { defaultLimits as limits } from '../limits.js';
import type { Findings } from './finding.js';

/** Terms of which a look-up finds nothing, by the family of the client. */
export interface VoidCount {
  readonly ip4: number;
  readonly ip6: number;
}

/** A term that asks DNS, with all terms that it leads to; the root of the tree is the domain itself. */
export interface LintBranch {
  /** As written; undefined at the root. */
  readonly term: string | undefined;
  /** The domain whose record the term leads to; undefined where it leads to none. */
  readonly domain: string | undefined;
  readonly record: string | undefined;
  /** Terms that ask DNS, this one and those below. */
  readonly lookups: number;
  readonly voids: VoidCount;
  /** A remark to be shown beside the numbers. */
  readonly note: string | undefined;
  readonly branches: readonly LintBranch[];
}

/** Look-ups are counted up to here: far over the limit, and soon done. */
export const maxTerms = 60;

export const noVoids: VoidCount = { ip4: 0, ip6: 0 };

/** A term that leads to no other. */
export function simple(
  term: string,
  details: Partial<Pick<LintBranch, 'lookups' | 'voids' | 'note'>> = {},
): LintBranch {
  return {
    term,
    domain: undefined,
    record: undefined,
    lookups: 1,
    voids: noVoids,
    note: undefined,
    branches: [],
    ...details,
  };
}

/** `terms` are all that were met, counted or not. */
export function judgeCounts({ lookups, voids }: LintBranch, terms: number, findings: Findings): void {
  const section = '4.6.4';
  if (lookups > limits.lookups) {
    const count = terms > maxTerms ? `more than ${maxTerms}` : lookups;
    findings.error(
      `${count} terms ask DNS, and more than ${limits.lookups} are permerror: ` +
        'leave out includes, or write a and mx as ip4 and ip6',
      { section },
    );
  } else if (lookups >= nearlyTooMany) {
    findings.warning(
      `${lookups} terms ask DNS of ${limits.lookups} allowed: an included domain that adds one can break this`,
      { section },
    );
  }
  const told = (family: string, count: number): string =>
    `${count} terms find nothing for an ${family} client, and more than ${limits.voids} are permerror: leave them out`;
  if (voids.ip4 > limits.voids) findings.error(told('IPv4', voids.ip4), { section });
  if (voids.ip6 > limits.voids) findings.warning(told('IPv6', voids.ip6), { section });
}

/** Our choice: from so many look-ups on, the operator is warned that the limit is near. */
const nearlyTooMany = 8;
