/** What is known of one evaluation of postern: what the classes of differences ask about. */
import { parseIp, reverseName } from '../../../src/mail/ip.js';
import { zoneResolver } from '../../../src/dns/zone.js';
import {
  checkHost,
  type LookupTrace,
  type RecordTrace,
  type SpfOutcome,
  type TermTrace,
} from '../../../src/spf/check-host.js';
import { defaultLimits } from '../../../src/spf/limits.js';
import { isQueryName, withoutFinalDot } from '../../../src/spf/domain.js';
import { now, receiver, type SpfCase } from '../../support/spf-cases.js';
import type { Judgement } from './peer.js';

export class Facts {
  readonly case: SpfCase;
  readonly outcome: SpfOutcome;
  readonly theirs: Judgement;
  /** Every record that was reached, from the outermost in. */
  readonly records: readonly RecordTrace[];
  /** The terms of those records as written, evaluated or not. */
  readonly written: readonly string[];
  /** Those terms with what became of them. */
  readonly terms: readonly TermTrace[];

  constructor(spfCase: SpfCase, outcome: SpfOutcome, theirs: Judgement) {
    this.case = spfCase;
    this.outcome = outcome;
    this.theirs = theirs;
    this.records = outcome.trace ? withNested(outcome.trace) : [];
    this.written = this.records.flatMap(({ record }) => termsOf(record));
    this.terms = this.records.flatMap(({ terms }) => terms);
  }

  /** Is the difference in the explanation alone? */
  get onlyExplanation(): boolean {
    return this.theirs.result === this.outcome.result;
  }

  get localPart(): string {
    return this.case.from.slice(0, Math.max(0, this.case.from.lastIndexOf('@')));
  }

  /** Does any of the terms, as written, look so? */
  writes(pattern: RegExp): boolean {
    return this.written.some((term) => pattern.test(term));
  }

  /** Does a term or the explanation have a macro of one of these letters? */
  expands(letters: string): boolean {
    const macro = new RegExp(`%\\{[${letters}]`, 'i');
    return this.writes(macro) || macro.test(this.template ?? '');
  }

  /** The explanation's template, where the trace has got it. */
  get template(): string | undefined {
    const lookups = this.terms.filter(({ term }) => /^exp=/i.test(term)).flatMap((term) => term.lookups);
    return lookups.findLast(({ type }) => type === 'TXT')?.records.join('');
  }

  /** The texts that an `exp` of a record that was reached may lead to, as far as they can be told without expansion. */
  get explanations(): readonly string[] {
    if (!this.writes(/^exp=/i)) return [];
    return Object.values(this.case.zone).flatMap(({ TXT = [] }) => TXT.map((strings) => strings.join('')));
  }

  /** Did too many void terms end postern's evaluation? */
  get endsByVoids(): boolean {
    return this.outcome.result === 'permerror' && (this.outcome.problem ?? '').endsWith('terms found nothing');
  }

  /** Do more than two look-ups find nothing, though no more than two terms have them? */
  get hasManyVoidsInFewTerms(): boolean {
    const evaluated = this.terms.filter(({ term }) => !/^exp=/i.test(term));
    const voids = evaluated.flatMap(({ lookups }) => lookups).filter(({ answer }) => answer === 'void');
    return voids.length > defaultLimits.voids && this.outcome.voids <= defaultLimits.voids;
  }

  /** The look-ups that `ptr` or `%{p}` makes: of the client's names, and of their addresses. */
  pointerLookups(): readonly Pointer[] {
    const ip = parseIp(this.case.ip);
    if (!ip) return [];
    const zone = zoneResolver(this.case.zone);
    const reverse = zone.lookup(reverseName(ip), 'PTR');
    const names = reverse.kind === 'found' ? reverse.records.map(withoutFinalDot) : [];
    const type = ip.family === 4 ? 'A' : 'AAAA';
    return [
      { name: '', answer: reverse.kind },
      ...names.map((name) => ({ name, answer: isQueryName(name) ? zone.lookup(name, type).kind : 'void' })),
    ];
  }

  /** The hosts of each name whose MX records were asked for, in the order of the answer. */
  mxHosts(): readonly (readonly string[])[] {
    const lookups = this.terms
      .flatMap((term) => term.lookups)
      .filter(({ type, answer }) => type === 'MX' && answer === 'found');
    return lookups.map(({ records }) => records.map((text) => text.slice(text.indexOf(' ') + 1)));
  }

  /** What the zone answers for the hosts of an `mx` that were not asked for, since another one matched. */
  unaskedMxHosts(): readonly LookupTrace['answer'][] {
    const zone = zoneResolver(this.case.zone);
    const type = parseIp(this.case.ip)?.family === 6 ? 'AAAA' : 'A';
    return this.terms
      .filter(({ outcome }) => outcome === 'match')
      .flatMap(({ lookups }) => {
        const at = lookups.findIndex((lookup) => lookup.type === 'MX');
        const hosts = (lookups[at]?.records ?? [])
          .toSorted((one, other) => Number.parseInt(one, 10) - Number.parseInt(other, 10))
          .map((text) => withoutFinalDot(text.slice(text.indexOf(' ') + 1)))
          .filter(isQueryName);
        return hosts.slice(lookups.length - at - 1).map((host) => zone.lookup(host, type).kind);
      });
  }
}

export interface Pointer {
  /** '' for the look-up of the names themselves. */
  readonly name: string;
  readonly answer: LookupTrace['answer'];
}

export function judgeWithPostern(spfCase: SpfCase): SpfOutcome {
  const ip = parseIp(spfCase.ip);
  if (!ip) throw new Error(`${spfCase.ip} is no address`);
  const query = { ip, helo: spfCase.helo, from: spfCase.from, receiver };
  const outcome = checkHost(query, { resolver: zoneResolver(spfCase.zone), now: () => now * 1000, trace: true });
  if (outcome instanceof Promise) throw new Error('a promise although every answer was known');
  return outcome;
}

/** The terms of a record as written. */
export const termsOf = (record: string | undefined): readonly string[] =>
  (record ?? '').split(' ').slice(1).filter(Boolean);

const withNested = (record: RecordTrace): readonly RecordTrace[] => [
  record,
  ...record.terms.flatMap(({ nested }) => (nested ? withNested(nested) : [])),
];
