/** What Mail::SPF does otherwise; see test/spf/differences.md. */
import { zoneResolver } from '../../../src/dns/zone.js';
import { parseIp, reverseName } from '../../../src/mail/ip.js';
import { parseRecord } from '../../../src/spf/parse.js';
import { isQueryName, isWithin } from '../../../src/spf/domain.js';
import { parseMacroString } from '../../../src/spf/macro.js';
import { sameUnder } from '../../../src/spf/address-match.js';
import type { SpfCase } from '../../support/spf-cases.js';
import type { DifferenceClass } from './difference.js';
import { termsOf, type Facts } from './facts.js';
import { isUnknownModifier, withItems, withTerms, withTexts } from './rewrite.js';

const isPermerror = ({ theirs }: Facts): boolean => theirs.result === 'permerror';

export const mailSpfClasses: readonly DifferenceClass[] = [
  {
    name: 'Mail::SPF takes MX records as they come, ten at most',
    seen: (one) =>
      withItems(one, (items) => {
        const { MX } = items;
        if (!MX || (MX.length <= 10 && MX.every(([preference], i) => i === 0 || (MX[i - 1]?.[0] ?? 0) <= preference)))
          return items;
        return { ...items, MX: MX.slice(0, 10).map(([, host], i) => [i, host]) };
      }),
  },
  {
    name: 'Mail::SPF matches ip6 with IPv4 clients',
    seen: (one) =>
      withTerms(one, (term) =>
        containsMapped(term, one) ? term.replace(/ip6:.*/i, `ip4:${parseIp(one.ip)?.text}`) : term,
      ),
  },
  {
    name: 'Mail::SPF never escapes in a domain-spec',
    seen: (one) =>
      withTerms(one, (term) => (isUnknownModifier(term) ? term : term.replace(/%\{[A-Z]/g, (m) => m.toLowerCase()))),
  },
  {
    name: 'Mail::SPF splits only where there are transformers',
    seen: (one) => withTexts(one, (text) => text.replace(/(%\{[a-z])[-.+,/_=]+\}/gi, '$1}')),
  },
  {
    name: 'Mail::SPF allows an empty domain before a prefix length',
    seen: (one) => withTerms(one, (term) => term.replace(/^([-+~?]?(?:a|mx)):(?=\/)/i, '$1')),
  },
  {
    name: 'Mail::SPF expands %{s} without the postmaster',
    seen: (one) =>
      /^[^@]+$/.test(one.from)
        ? withTexts(one, (text) => text.replace(/%\{s/gi, (m) => (m === '%{S' ? '%{O' : '%{o')))
        : one,
    predicts: (facts) => facts.case.from.startsWith('@') && facts.expands('s'),
  },
  {
    name: 'Mail::SPF keeps the final dot in %{s}',
    predicts: (facts) => (facts.case.from || facts.case.helo).endsWith('.') && facts.expands('s'),
  },
  {
    name: 'Mail::SPF asks for names that DNS cannot carry',
    predicts: (facts) => isPermerror(facts) && facts.outcome.result !== 'permerror' && hasMalformedName(facts),
  },
  {
    name: 'Mail::SPF cuts labels at 63 octets',
    predicts: (facts) =>
      facts.terms.some(({ term, note }) => note !== undefined && /[^.]{64}|%\{/.test(term)) &&
      Object.keys(facts.case.zone).some((name) => name.split('.').some((label) => label.length === 63)),
  },
  {
    name: 'Mail::SPF finds a bad macro when it expands it',
    seen: (one) => withTerms(one, (term) => (isBadMacro(term) ? whenReached(term, one) : term)),
  },
  {
    name: 'Mail::SPF knows the transformer r in lower case only',
    predicts: (facts) =>
      (isPermerror(facts) && facts.writes(upperTransformer)) ||
      (facts.onlyExplanation && facts.theirs.explanation === undefined && upperTransformer.test(facts.template ?? '')),
  },
  {
    name: 'Mail::SPF ends ptr with a failed look-up of the names',
    predicts: (facts) =>
      facts.theirs.result === 'temperror' &&
      facts.terms.some(({ lookups }) => lookups.some(({ type, answer }) => type === 'PTR' && answer === 'failed')),
  },
  {
    name: 'Mail::SPF leaves an over-long name in %{d}',
    predicts: (facts) => facts.records.some(({ domain, record }) => domain.length > 190 && /%\{d/i.test(record ?? '')),
  },
  {
    name: 'Mail::SPF never ends on an over-long name that begins with a dot',
    predicts: ({ theirs, terms }) =>
      theirs.result === 'crash' && theirs.explanation === 'endless\n' && terms.some(({ term }) => /%\{/.test(term)),
  },
  {
    name: 'Mail::SPF drops empty parts at the end',
    predicts: (facts) => [...facts.written, facts.template ?? ''].some((text) => splitsOffNothing(text, facts)),
  },
  {
    name: 'Mail::SPF counts a redirect that it does not follow',
    predicts: (facts) => isPermerror(facts) && facts.outcome.lookups + idleRedirects(facts) > 10,
  },
  {
    name: 'Mail::SPF counts void look-ups, not terms',
    predicts: (facts) => isPermerror(facts) && facts.hasManyVoidsInFewTerms,
  },
  {
    name: 'Mail::SPF asks for the names of the client for every %{p}',
    predicts: (facts) =>
      isPermerror(facts) &&
      facts.writes(/%\{p.*%\{p/i) &&
      facts.pointerLookups().some(({ answer }) => answer === 'void'),
  },
  {
    name: 'Mail::SPF looks for an explanation of every result',
    predicts: (facts) =>
      isPermerror(facts) &&
      facts.writes(/^exp=.*%\{p/i) &&
      facts.pointerLookups().some(({ answer }) => answer === 'void'),
  },
  {
    name: 'Mail::SPF counts the void look-ups of an explanation',
    predicts: (facts) =>
      facts.onlyExplanation &&
      facts.theirs.explanation === undefined &&
      (facts.writes(/^exp=.*%\{p/i) || /%\{p/i.test(facts.template ?? '')) &&
      facts.pointerLookups().some(({ answer }) => answer !== 'found'),
  },
  {
    name: 'Mail::SPF validates the names that could match',
    predicts: (facts) =>
      facts.endsByVoids &&
      facts.terms.some(
        ({ lookups, target }) =>
          lookups.some(({ type }) => type === 'PTR') &&
          facts
            .pointerLookups()
            .some(({ name, answer }) => answer === 'void' && name !== '' && !isWithin(name, target ?? '')),
      ),
  },
  {
    name: 'Mail::SPF takes an explanation that is none',
    predicts: (facts) =>
      facts.onlyExplanation &&
      facts.outcome.explanation === undefined &&
      'kind' in parseMacroString(facts.template ?? '', 'explanation'),
  },
  {
    name: 'Mail::SPF asks for the U-labels of the sender',
    predicts: ({ case: { from, helo }, theirs }) => /[^\x00-\x7f][^@]*$/.test(from || helo) && theirs.result === 'none',
  },
  {
    name: 'Mail::SPF asks DNS for a local-part beyond ASCII',
    predicts: (facts) => /[^\x00-\x7f]/.test(facts.localPart) && facts.expands('sl'),
  },
];

/** Is it a term that nothing but a macro makes an error? */
function isBadMacro(term: string): boolean {
  const parsed = parseRecord(`v=spf1 ${term}`);
  return parsed.kind === 'problem' && /macro/.test(parsed.problem);
}

/**
 * The error at the time when the term is expanded: check_host() of a single label is "none" (RFC 7208 §4.3, §5.2,
 * §6.1).
 */
function whenReached(term: string, { ip, zone }: SpfCase): string {
  if (/^redirect=/i.test(term)) return 'redirect=%{v1}';
  if (/^[a-z][a-z0-9._-]*=/i.test(term)) return '';
  // The target of ptr is expanded only when there is a name to compare it with.
  const client = parseIp(ip);
  const hasNames = client && zoneResolver(zone).lookup(reverseName(client), 'PTR').kind === 'found';
  return !hasNames && /^[-+~?]?ptr:/i.test(term) ? 'ptr' : 'include:%{v1}';
}

const upperTransformer = /%\{[a-zA-Z]\d*R/;

/** Is it an ip6 whose network holds the mapped address of an IPv4 client? */
function containsMapped(term: string, { ip }: SpfCase): boolean {
  const client = parseIp(ip);
  const parsed = parseRecord(`v=spf1 ${term}`);
  const directive = parsed.kind === 'record' ? parsed.record.directives[0] : undefined;
  return (
    client?.family === 4 &&
    directive?.kind === 'ip6' &&
    sameUnder(directive.masks, directive.base, [0, 0, 0xffff, client.words[0] ?? 0])
  );
}

const hasMalformedName = (facts: Facts): boolean =>
  facts.terms.some(({ note, target }) => note !== undefined || target === '') ||
  facts.mxHosts().some((names) => names.some((name) => !isQueryName(name.replace(/\.$/, '')))) ||
  facts.pointerLookups().some(({ name }) => name !== '' && !isQueryName(name));

/** Records with a redirect that was not followed. */
const idleRedirects = ({ records, terms }: Facts): number =>
  records.filter(({ record }) => termsOf(record).some((term) => /^redirect=/i.test(term))).length -
  terms.filter(({ term, outcome }) => /^redirect=/i.test(term) && outcome === 'followed').length;

/** Does a macro with transformers split a value that ends in one of its delimiters? */
function splitsOffNothing(text: string, { localPart, case: { helo } }: Facts): boolean {
  return [...text.matchAll(/%\{([lsh])(\d*r?)([-.+,/_=]*)\}/gi)].some(
    ([, letter = '', transformers, delimiters = '']) => {
      const value = letter.toLowerCase() === 'h' ? helo : localPart;
      return transformers !== '' && (delimiters || '.').includes(value.at(-1) ?? '-');
    },
  );
}
