/** Terms that another term of the same record makes superfluous. */
import { sameUnder } from '../address-match.js';
import type { Findings } from './finding.js';
import type { Directive, Ip4, Ip6 } from '../record.js';

/** Only so many directives are compared with each other: the number of pairs grows with the square. */
const maxCompared = 1000;

/** `directives` are those that an evaluation can reach. */
export function overlaps(directives: readonly Directive[], domain: string | undefined, findings: Findings): void {
  const earlier: Directive[] = [];
  for (const term of directives.slice(0, maxCompared)) {
    const other = earlier.find((before) => subjectOf(before, domain) === subjectOf(term, domain));
    const network = isNetwork(term) ? earlier.filter(isNetwork).find((before) => overlap(before, term)) : undefined;
    if (other !== undefined) tellTwice(other, term, findings);
    else if (network !== undefined && isNetwork(term)) tellNetworks(network, term, findings);
    earlier.push(term);
  }
}

const isNetwork = (term: Directive): term is Ip4 | Ip6 => term.kind === 'ip4' || term.kind === 'ip6';

/** What a directive compares the client with, without its prefix lengths where it asks DNS. */
function subjectOf(term: Directive, domain: string | undefined): string {
  switch (term.kind) {
    case 'all':
      return 'all';
    case 'ip4':
      return `ip4:${term.base}/${term.prefix}`;
    case 'ip6':
      return `ip6:${term.base.join(':')}/${term.prefix}`;
    case 'a':
    case 'mx':
    case 'ptr':
    case 'include':
    case 'exists':
      return `${term.kind}:${(term.target?.name ?? term.target?.macro.text ?? domain ?? '').toLowerCase()}`;
  }
}

function tellTwice(first: Directive, second: Directive, findings: Findings): void {
  const costs = isNetwork(second) ? '' : ', and costs look-ups twice';
  const problem =
    first.text.toLowerCase() === second.text.toLowerCase()
      ? `${second.text} stands there twice${costs}: keep one`
      : `${first.text} and ${second.text} are about the same hosts${costs}: keep one`;
  findings.warning(problem, { term: second.text });
}

/** A narrow network before a wide one with another result is an exception to it, and no fault. */
const overlap = (first: Ip4 | Ip6, second: Ip4 | Ip6): boolean =>
  covers(first, second) || (covers(second, first) && first.result === second.result);

/** Does the first hold all addresses of the second? */
export function covers(wide: Ip4 | Ip6, narrow: Ip4 | Ip6): boolean {
  if (wide.prefix > narrow.prefix) return false;
  if (wide.kind === 'ip4') return narrow.kind === 'ip4' && (narrow.base & wide.mask) === wide.base;
  return narrow.kind === 'ip6' && sameUnder(wide.masks, wide.base, narrow.base);
}

function tellNetworks(first: Ip4 | Ip6, second: Ip4 | Ip6, findings: Findings): void {
  const [wide, narrow] = covers(first, second) ? [first, second] : [second, first];
  findings.warning(`${narrow.text} lies within ${wide.text} and decides nothing: leave it out`, { term: narrow.text });
}
