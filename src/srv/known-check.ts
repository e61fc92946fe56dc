/**
 * Checks that there are, as the page, `postern srv` and its lint know them, and whether one can be switched on for a
 * domain.
 */
import { nearest } from '../settings/nearest.js';

/** What is wrong with a domain's own file. */
export interface ListProblem {
  /** Counted from 1; undefined where it is the file as a whole. */
  readonly line?: number;
  /** Completes "the line …", or "the file …". */
  readonly problem: string;
  /** A file of the domain: where that is there, all is well. */
  readonly unless?: string;
}

export interface KnownCheck {
  readonly name: string;
  /** It is the file of a domain that switches the check on in the place of its marker, and that it works by. */
  readonly list?: string;
  /** Says what is wrong with the lines of that file, of which empty ones stand for comments. */
  readonly listProblems?: (lines: readonly string[]) => readonly ListProblem[];
}

export interface CheckRules {
  readonly checks: readonly KnownCheck[];
  /** It tells whether the domain has that file. */
  readonly hasList: (domain: string, list: string) => boolean;
}

/** Says why a marker of that name would do nothing for the domain; undefined where it counts. */
export function checkProblem(domain: string, name: string, { checks, hasList }: CheckRules): string | undefined {
  if (name === 'all') return undefined;
  const check = checks.find((one) => one.name === name);
  if (!check) {
    const known = ['all', ...checks.map((one) => one.name)];
    const meant = nearest(name, known);
    return `there is no check "${name}"; ${meant === undefined ? `there are ${known.join(', ')}` : `did you mean ${meant}?`}`;
  }
  const { list } = check;
  if (list === undefined || hasList(domain, list)) return undefined;
  return `${name} is switched on by the file ${domain}/${list}, which it works by`;
}
