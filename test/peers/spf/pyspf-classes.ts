/** What pyspf does otherwise; see test/spf/differences.md. */
import { parseIp } from '../../../src/mail/ip.js';
import { fitQueryName, isWithin } from '../../../src/spf/domain.js';
import { expandMacro, parseMacroString } from '../../../src/spf/macro.js';
import { parseRecord } from '../../../src/spf/parse.js';
import type { DifferenceClass } from './difference.js';
import { termsOf, type Facts } from './facts.js';
import { isUnknownModifier, withTerms, withTexts } from './rewrite.js';

const isPermerror = ({ theirs }: Facts): boolean => theirs.result === 'permerror';

export const pyspfClasses: readonly DifferenceClass[] = [
  {
    name: 'pyspf splits the sender at its first @',
    predicts: ({ localPart, theirs }) => localPart.includes('@') && theirs.result === 'none',
  },
  {
    name: 'pyspf takes a final dot for an empty label',
    predicts: ({ case: { from, helo }, theirs }) => (from || helo).endsWith('.') && theirs.result === 'none',
  },
  {
    name: 'pyspf expands %{s} without the postmaster',
    seen: (one) =>
      /^[^@]+$/.test(one.from)
        ? withTexts(one, (text) => text.replace(/%\{s/gi, (m) => (m === '%{S' ? '%{O' : '%{o')))
        : one,
    predicts: (facts) => facts.case.from.startsWith('@') && facts.expands('s'),
  },
  {
    name: 'pyspf knows modifiers in lower case only',
    seen: (one) =>
      withTerms(one, (term) =>
        /^(?:exp|redirect)=/i.test(term) && !/^(?:exp|redirect)=/.test(term) ? `x${term}` : term,
      ),
  },
  {
    name: 'pyspf allows an unknown modifier once',
    predicts: (facts) =>
      isPermerror(facts) &&
      facts.records.some(({ record }) =>
        hasTwice(
          termsOf(record)
            .filter(isUnknownModifier)
            .map((term) => term.split('=')[0] ?? ''),
        ),
      ),
  },
  {
    name: 'pyspf reads an unknown modifier as a domain-spec',
    predicts: (facts) =>
      isPermerror(facts) && facts.written.some((term) => isUnknownModifier(term) && /%\{[crt]/i.test(term)),
  },
  {
    name: 'pyspf does not read op= and default=',
    seen: (one) =>
      withTerms(one, (term) =>
        /^(?:op|default)=/.test(term) && parseRecord(`v=spf1 ${term}`).kind === 'problem' ? '' : term,
      ),
  },
  {
    name: 'pyspf takes %% at the end for a stray %',
    predicts: (facts) =>
      (isPermerror(facts) && facts.writes(/%%\.?$/)) ||
      (facts.onlyExplanation && facts.theirs.explanation === undefined && /%%$/.test(facts.template ?? '')),
  },
  {
    name: 'pyspf takes a macro that is none',
    seen: (one) =>
      withTexts(one, (text) =>
        text.replace(/%\{([slodiphvcrt])(\d*)R[^}]*\}/gi, (m, letter: string, digits: string) =>
          /R/.test(m.slice(3)) ? `%{${letter}${digits}}` : m,
        ),
      ),
    predicts: (facts) =>
      facts.outcome.result === 'permerror' &&
      facts.writes(/%\{[slodiphv](?:0+[^1-9]|\d*r?[^}]*[^-.+,/_=}\dr])|%\{[^}]*$|%\{[a-z]r\d/i) &&
      /macro/.test(facts.outcome.problem ?? ''),
  },
  {
    name: 'pyspf keeps the delimiters',
    predicts: (facts) => [...facts.written, facts.template ?? ''].some((text) => keepsDelimiters(text, facts)),
  },
  {
    name: 'pyspf counts a redirect that it does not follow',
    predicts: (facts) => isPermerror(facts) && facts.outcome.lookups + idleRedirects(facts) > 10,
  },
  {
    name: 'pyspf counts void look-ups, not terms',
    predicts: (facts) => isPermerror(facts) && facts.hasManyVoidsInFewTerms,
  },
  {
    name: 'pyspf calls an include of the same domain an error at once',
    predicts: (facts) =>
      isPermerror(facts) &&
      facts.records.some(({ record, domain }) => termsOf(record).some((term) => includesItself(term, domain, facts))),
  },
  {
    name: 'pyspf expands %{p} before it evaluates',
    predicts: (facts) =>
      facts.writes(/%\{p/i) &&
      facts
        .pointerLookups()
        .some(
          ({ answer }) =>
            (isPermerror(facts) && answer === 'void') || (facts.theirs.result === 'temperror' && answer === 'failed'),
        ),
  },
  {
    name: 'pyspf expands %{p} once',
    predicts: (facts) => {
      const usesItTwice = facts.written.filter((term) => /%\{p/i.test(term)).length > 1;
      const isOther = facts.records.length > 1 && facts.pointerLookups().length > 2;
      if (facts.endsByVoids && usesItTwice) return facts.pointerLookups().some(({ answer }) => answer === 'void');
      return isOther && (usesItTwice || (facts.onlyExplanation && /%\{p/i.test(facts.template ?? '')));
    },
  },
  {
    name: 'pyspf looks for <domain> among the names of %{p} with case',
    predicts: (facts) =>
      facts.writes(/%\{p/i) &&
      facts.records.some(({ domain }) =>
        facts.pointerLookups().some(({ name }) => isWithin(name, domain) && !name.endsWith(domain)),
      ),
  },
  {
    name: 'pyspf asks for the addresses of all MX hosts',
    predicts: (facts) =>
      facts
        .unaskedMxHosts()
        .some((answer) =>
          answer === 'failed' ? facts.theirs.result === 'temperror' : answer === 'void' && isPermerror(facts),
        ),
  },
  {
    name: 'pyspf ends ptr with a failed look-up',
    predicts: (facts) =>
      facts.theirs.result === 'temperror' &&
      facts.terms.some(({ lookups }) => lookups.some(({ type }) => type === 'PTR')) &&
      facts.pointerLookups().some(({ answer }) => answer === 'failed'),
  },
  {
    name: 'pyspf asks for the names of the client whatever ptr is to match',
    predicts: (facts) =>
      isPermerror(facts) &&
      facts.terms.some(({ term, note }) => note !== undefined && /^[-+~?]?ptr:/i.test(term)) &&
      facts.pointerLookups().some(({ answer }) => answer === 'void'),
  },
  {
    name: 'pyspf expands the explanation of every result',
    predicts: (facts) =>
      facts.explanations.some((text) => /%\{p/i.test(text)) &&
      (isPermerror(facts) || (facts.onlyExplanation && facts.theirs.explanation === undefined)) &&
      facts.pointerLookups().some(({ answer }) => answer !== 'found'),
  },
  {
    name: 'pyspf drops one label of an over-long name',
    predicts: (facts) => facts.terms.some(({ term, target }) => /%\{/.test(term) && (target?.length ?? 0) > 190),
  },
  {
    name: 'pyspf takes a target-name without any part for an error',
    predicts: (facts) =>
      isPermerror(facts) && /^[-+.,/_=]/.test(facts.localPart) && facts.writes(/^[-+~?]?[a-z]+:%\{[ls][^}]*\}$/i),
  },
  {
    name: 'pyspf reads <domain> as a domain-spec',
    predicts: (facts) =>
      isPermerror(facts) &&
      facts.records.some(
        ({ record, domain }) =>
          !isDomainSpec(domain) && termsOf(record).some((term) => /^[-+~?]?(?:a|mx|ptr)(?:\/|$)/i.test(term)),
      ),
  },
  {
    name: 'pyspf takes an explanation that is none',
    predicts: (facts) =>
      facts.onlyExplanation &&
      facts.outcome.explanation === undefined &&
      'kind' in parseMacroString(facts.template ?? '', 'explanation'),
  },
  {
    name: 'pyspf cuts a long explanation',
    predicts: (facts) => facts.onlyExplanation && (facts.outcome.explanation?.length ?? 0) > 253,
  },
  {
    name: 'pyspf takes control characters',
    predicts: (facts) =>
      facts.outcome.result === 'permerror' && facts.records.some(({ record }) => /[\x00-\x1f\x7f]/.test(record ?? '')),
  },
  {
    name: 'pyspf asks for the U-labels of the sender',
    predicts: ({ case: { from, helo }, theirs }) => /[^\x00-\x7f][^@]*$/.test(from || helo) && theirs.result === 'none',
  },
  {
    name: 'pyspf asks DNS for a local-part beyond ASCII',
    predicts: (facts) => /[^\x00-\x7f]/.test(facts.localPart) && facts.expands('sl'),
  },
];

/** Does a macro split a value at other delimiters than dots, and does pyspf not join its parts with dots? */
function keepsDelimiters(text: string, facts: Facts): boolean {
  return [...text.matchAll(/%\{([odphv])\d*r?([-.+,/_=]+)\}/gi)].some(([, letter = '', delimiters = '']) =>
    valuesOf(letter.toLowerCase(), facts).some((value) =>
      [...delimiters].some((delimiter) => delimiter !== '.' && value.includes(delimiter)),
    ),
  );
}

/** What the macro stands for in one record or another. */
function valuesOf(letter: string, facts: Facts): readonly string[] {
  switch (letter) {
    case 'o':
      return [facts.outcome.domain];
    case 'd':
      return facts.records.map(({ domain }) => domain);
    case 'p':
      return facts.pointerLookups().map(({ name }) => name);
    case 'h':
      return [facts.case.helo];
    default:
      return [parseIp(facts.case.ip)?.family === 4 ? 'in-addr' : 'ip6'];
  }
}

const isDomainSpec = (domain: string): boolean => parseRecord(`v=spf1 a:${domain}`).kind === 'record';

const hasTwice = (names: readonly string[]): boolean => new Set(names).size < names.length;

/** Records with a redirect that was not followed. */
const idleRedirects = ({ records, terms }: Facts): number =>
  records.filter(({ record }) => termsOf(record).some((term) => term.startsWith('redirect='))).length -
  terms.filter(({ term, outcome }) => term.startsWith('redirect=') && outcome === 'followed').length;

function includesItself(term: string, domain: string, { outcome, case: { helo } }: Facts): boolean {
  const target = /^[-+~?]?include:(.*)$/i.exec(term)?.[1];
  const ip = parseIp('192.0.2.1');
  if (target === undefined || !ip) return false;
  const values = {
    sender: outcome.sender,
    localPart: '',
    senderDomain: outcome.domain,
    ip,
    helo,
    receiver: '',
    now: () => 0,
  };
  // pyspf keeps the delimiters: where no part is dropped or moved they change nothing.
  return [target, target.replace(/%\{([do])[-.+,/_=]*\}/gi, '%{$1}')].some((text) => {
    const macro = parseMacroString(text, 'domain-spec');
    return !('kind' in macro) && fitQueryName(expandMacro(macro, values, { domain, validated: '' }) ?? '') === domain;
  });
}
