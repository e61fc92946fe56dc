/** What the text of one record alone tells: syntax, terms that do nothing, terms that allow too much. Asks no DNS. */
import { parseIp } from '../../mail/ip.js';
import type { Findings } from './finding.js';
import { covers, overlaps } from './overlap.js';
import { isNoHostName, remedyOf } from './remedy.js';
import { isSpfRecord, parseTerm } from '../parse.js';
import type { All, Directive, Ip4, Ip6, TargetModifier, Term, UnknownModifier } from '../record.js';

/**
 * own: the record is the domain's, or one that it redirects to. included: the record is somebody else's, so only what
 * breaks the including record is told.
 */
export type Role = 'own' | 'included';

export interface RecordPlace {
  /** What `a` without a domain means; undefined when it is not known. */
  readonly domain: string | undefined;
  readonly role: Role;
}

/** The terms that can be read, in the order written. */
export function lintRecord(text: string, { domain, role }: RecordPlace, findings: Findings): readonly Term[] {
  if (!isSpfRecord(text)) {
    findings.error('a record begins with "v=spf1", then a space or the end', {
      at: badVersionAt(text),
      section: '4.5',
    });
    return [];
  }
  const { terms, isWhole } = readTerms(text, findings);
  lintWidth(terms, role, findings);
  for (const term of terms.filter(isNoHostName)) lintHostName(term, findings);
  if (role === 'included') return terms;
  // What a term that cannot be read would have said of the others is not known.
  if (isWhole) lintEnd(terms, findings);
  for (const term of terms) lintTerm(term, findings);
  overlaps(evaluated(terms), domain, findings);
  return terms;
}

/** The directives that are looked at: those up to the first `all`. */
export function evaluated(terms: readonly Term[]): readonly Directive[] {
  const directives = terms.filter(isDirective);
  const end = directives.findIndex(({ kind }) => kind === 'all');
  return end < 0 ? directives : directives.slice(0, end + 1);
}

/** The redirect that is followed when nothing matches; an `all` anywhere makes it void (RFC 7208 §5.1). */
export const followedRedirect = (terms: readonly Term[]): TargetModifier | undefined =>
  terms.some(isAll) ? undefined : terms.find(isRedirect);

const isDirective = (term: Term): term is Directive => 'result' in term;
const isAll = (term: Term): term is All => term.kind === 'all';
const isRedirect = (term: Term): term is TargetModifier => term.kind === 'redirect';

/** Counts the characters that are right; the caret points behind them. */
function badVersionAt(text: string): number {
  const wanted = 'v=spf1';
  let right = 0;
  while (right < wanted.length && text[right]?.toLowerCase() === wanted[right]) right++;
  return right;
}

interface ReadTerms {
  readonly terms: readonly Term[];
  /** Could all of them be read? */
  readonly isWhole: boolean;
}

/** Unlike an evaluation, which ends at the first error, this tells of all of them, and what was meant. */
function readTerms(text: string, findings: Findings): ReadTerms {
  const terms: Term[] = [];
  let isWhole = true;
  const words = [...text.matchAll(/(?<= )[^ ]+/g)];
  for (let i = 0; i < words.length; i++) {
    const { 0: written = '', index = 0 } = words[i] ?? {};
    const term = parseTerm(written, index);
    if (term.kind === 'problem') {
      isWhole = false;
      // `include: example.org`, `- all`: the word behind is no error of its own, and no term.
      const joined = /^[-+?~]$|[:=]$/.test(written) ? `${written}${words[i + 1]?.[0] ?? ''}` : written;
      const isJoined = joined !== written && parseTerm(joined, index).kind !== 'problem';
      if (isJoined) i++;
      const meant = isJoined ? joined : remedyOf(written);
      const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
      findings.error(`${term.problem}${hint}`, { at: term.at, term: written, section: '4.6' });
    } else if ((term.kind === 'redirect' || term.kind === 'exp') && terms.some(({ kind }) => kind === term.kind)) {
      findings.error(`${term.kind}= appears more than once`, { at: index, term: written, section: '6' });
    } else {
      terms.push(term);
    }
  }
  return { terms, isWhole };
}

/** By the grammar a domain may be a URL or an address of mail; no host has such a name. */
function lintHostName({ text }: Term, findings: Findings): void {
  const meant = remedyOf(text);
  const hint = meant === undefined ? '' : `: did you mean ${meant}?`;
  findings.error(`${text} names no domain${hint}`, { term: text, section: '7.1' });
}

/** How the record ends, and what stands where nobody looks. */
function lintEnd(terms: readonly Term[], findings: Findings): void {
  const redirect = terms.find(isRedirect);
  const all = terms.find(isAll);
  if (all === undefined) {
    if (redirect === undefined) {
      findings.warning('nothing is said of all other hosts: end with -all or ~all', { section: '4.7' });
    }
    return;
  }
  if (all.result === 'neutral') {
    findings.warning('?all says nothing of all other hosts: end with -all or ~all', { term: all.text, section: '5.1' });
  }
  for (const { text } of terms.filter(isDirective).slice(evaluated(terms).length)) {
    findings.warning(`${text} stands after all and is never looked at: move it before`, { term: text, section: '5.1' });
  }
  if (redirect !== undefined) {
    const problem = `${redirect.text} is ignored because there is an all: keep one of them`;
    findings.warning(problem, { term: redirect.text, section: '6.1' });
  }
}

function lintTerm(term: Term, findings: Findings): void {
  const { text } = term;
  if (term.kind === 'unknown') return lintUnknown(term, findings);
  if (term.kind === 'ptr') {
    const problem = 'ptr is slow, and wrong whenever reverse DNS is: list the hosts with a, ip4 or ip6';
    findings.warning(problem, { term: text, section: '5.5' });
  }
  if ('target' in term && term.target?.macro.usesPtr) {
    findings.warning(`${text}: the macro %{p} is not to be used`, { term: text, section: '7.2' });
  }
  if (term.kind === 'ip4' || term.kind === 'ip6') {
    lintHostBits(term, findings);
    lintScope(term, findings);
  }
}

/** Networks from which no mail comes over the Internet (RFC 1918, 6598, 3927, 4193, 4291). */
const insideNetworks: readonly (Ip4 | Ip6)[] = [
  'ip4:10.0.0.0/8',
  'ip4:172.16.0.0/12',
  'ip4:192.168.0.0/16',
  'ip4:100.64.0.0/10',
  'ip4:169.254.0.0/16',
  'ip4:127.0.0.0/8',
  'ip6:fc00::/7',
  'ip6:fe80::/10',
  'ip6:::1',
].flatMap((text) => {
  const term = parseTerm(text, 0);
  return term.kind === 'ip4' || term.kind === 'ip6' ? [term] : [];
});

function lintScope(term: Ip4 | Ip6, findings: Findings): void {
  if (!insideNetworks.some((network) => covers(network, term))) return;
  const problem = `${term.text} is a private or link-local network, and no mail comes from there: leave it out`;
  findings.warning(problem, { term: term.text });
}

const mechanisms = ['all', 'include', 'a', 'mx', 'ptr', 'ip4', 'ip6', 'exists'];

/** Receivers ignore a modifier that they do not know, so one that looks like a mechanism does not do what was meant. */
function lintUnknown({ name, text }: UnknownModifier, findings: Findings): void {
  const meant = mechanisms.includes(name) ? `${name}:${text.slice(name.length + 1)}` : remedyOf(text);
  if (meant !== undefined) {
    findings.error(`${text} is ignored, being an unknown modifier: write ${meant}`, { term: text, section: '6' });
  } else if (Object.hasOwn(reportModifiers, name)) {
    const { form, is } = reportModifiers[name as keyof typeof reportModifiers];
    const value = text.slice(name.length + 1);
    if (!form.test(value)) findings.warning(`${text}: ${name} is ${is} (RFC 6652)`, { term: text });
  } else {
    findings.warning(`${text} is an unknown modifier, which is ignored`, { term: text, section: '6' });
  }
}

/** RFC 6652 §3: who is told of mail that fails, how often, and of which results. */
const reportModifiers = {
  ra: { form: /^[^@\s]+$/, is: 'the local-part alone of the address that reports go to' },
  rp: { form: /^(?:100|\d{1,2})$/, is: 'a percentage from 0 to 100' },
  rr: { form: /^(?:all|[efns])(?::(?:all|[efns]))*$/i, is: 'a list of all, e, f, n and s, with colons between them' },
} as const;

/** `ip4:192.0.2.1/24` is the whole network: one of the two is a slip. */
function lintHostBits(term: Ip4 | Ip6, findings: Findings): void {
  const address = parseIp(/:([^/]*)/.exec(term.text)?.[1] ?? '');
  const base = term.kind === 'ip4' ? [term.base] : term.base;
  if (!address || address.words.length !== base.length) return;
  if (address.words.every((word, i) => (word | 0) === (base[i] ?? 0))) return;
  const problem = `${term.text} has bits set beyond /${term.prefix}: a network, or one host?`;
  findings.warning(problem, { term: term.text });
}

/** Shorter prefixes than these are unwise: an operator of so many addresses names them one network at a time. */
const minPrefixes = { ip4: 8, ip6: 16, hosts4: 16, hosts6: 32 } as const;

/** `+all` and its like open the domain to everybody, also from inside an include. */
function lintWidth(terms: readonly Term[], role: Role, findings: Findings): void {
  for (const term of evaluated(terms)) {
    if (term.result !== 'pass') continue;
    const { text } = term;
    if (term.kind === 'all') {
      const problem = `${text} lets every host in the world send as the domain: end with -all or ~all`;
      findings.error(problem, { term: text, section: '5.1' });
      continue;
    }
    const width = widthOf(term);
    if (width === undefined) continue;
    if (width.prefix === 0) {
      findings.error(`${text} lets every ${width.family} host in the world send as the domain`, { term: text });
    } else if (role === 'own' && width.prefix < width.minPrefix) {
      findings.warning(`${text} is a very wide network: name the hosts more closely`, { term: text });
    }
  }
}

interface Width {
  readonly family: 'IPv4' | 'IPv6';
  readonly prefix: number;
  /** A shorter prefix is unwise. */
  readonly minPrefix: number;
}

/** The network that a directive allows; where it has a length for each family, the worse of the two. */
function widthOf(term: Directive): Width | undefined {
  switch (term.kind) {
    case 'ip4':
      return { family: 'IPv4', prefix: term.prefix, minPrefix: minPrefixes.ip4 };
    case 'ip6':
      return { family: 'IPv6', prefix: term.prefix, minPrefix: minPrefixes.ip6 };
    case 'a':
    case 'mx': {
      const ip4: Width = { family: 'IPv4', prefix: term.prefix4, minPrefix: minPrefixes.hosts4 };
      const ip6: Width = { family: 'IPv6', prefix: term.prefix6, minPrefix: minPrefixes.hosts6 };
      return ip6.prefix === 0 || (ip4.prefix >= ip4.minPrefix && ip6.prefix < ip6.minPrefix) ? ip6 : ip4;
    }
    default:
      return undefined;
  }
}
