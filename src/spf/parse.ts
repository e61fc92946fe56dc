/**
 * Text of a record → `SpfRecord`, whole, before anything of it is evaluated: "if there are any syntax
 * errors anywhere in the record, check_host() returns immediately with the result "permerror""
 * (RFC 7208 §4.6). A problem carries its place, so that it can be shown with a caret.
 */
import { ownName } from '../mail/domain.js';
import { parseIp } from '../mail/ip.js';
import { networksOf } from './address-match.js';
import { fitQueryName, isCheckable, withoutFinalDot } from './domain.js';
import { nameOfCharacter, parseMacroString, type MacroString } from './macro.js';
import type {
  All,
  Directive,
  DirectiveResult,
  DomainSpec,
  Ip4,
  Ip6,
  Masks,
  Modifier,
  ParsedRecord,
  Step,
  SyntaxProblem,
  TargetModifier,
  Term,
} from './record.js';

/** RFC 7208 §4.5: a version section of exactly "v=spf1" in any case, ended by a space or the end. */
export function isSpfRecord(text: string): boolean {
  return text.startsWith('v=spf1 ') || versionSection.test(text);
}

const versionSection = /^v=spf1(?: |$)/i;
const versionLength = 'v=spf1'.length;

/** Parses a text for which `isSpfRecord` holds. */
export function parseRecord(text: string): ParsedRecord {
  const terms: Term[] = [];
  // RFC 7208 §4.6.1: terms are separated by spaces only, one or more.
  for (let at = versionLength; at < text.length;) {
    if (text[at] === ' ') {
      at++;
      continue;
    }
    const end = endOfTerm(text, at);
    const term = parseTerm(text.slice(at, end), at);
    if (term.kind === 'problem') return term;
    terms.push(term);
    at = end;
  }
  return assemble(text, terms);
}

function endOfTerm(text: string, at: number): number {
  const end = text.indexOf(' ', at);
  return end < 0 ? text.length : end;
}

function assemble(text: string, terms: readonly Term[]): ParsedRecord {
  const directives: Directive[] = [];
  let redirect: TargetModifier | undefined;
  let exp: TargetModifier | undefined;
  for (const term of terms) {
    switch (term.kind) {
      case 'redirect':
        if (redirect) return appearsTwice(term);
        redirect = term;
        break;
      case 'exp':
        if (exp) return appearsTwice(term);
        exp = term;
        break;
      case 'unknown':
        break; // RFC 7208 §6: ignored, no matter where or how often
      default:
        directives.push(term);
    }
  }
  // RFC 7208 §5.1: "Any "redirect" modifier MUST be ignored when there is an "all" mechanism in the record."
  const hasAll = directives.some((directive) => directive.kind === 'all');
  const steps = stepsOf(directives);
  return { kind: 'record', record: { text, terms, directives, steps, redirect: hasAll ? undefined : redirect, exp } };
}

/** RFC 7208 §5.1: "Mechanisms after "all" will never be tested." */
function stepsOf(directives: readonly Directive[]): readonly Step[] {
  const steps: Step[] = [];
  let quiet: (Ip4 | Ip6 | All)[] = [];
  for (const directive of directives) {
    if (directive.kind === 'ip4' || directive.kind === 'ip6' || directive.kind === 'all') {
      quiet.push(directive);
      if (directive.kind === 'all') break;
    } else {
      if (quiet.length > 0) steps.push(networksOf(quiet));
      quiet = [];
      steps.push(directive);
    }
  }
  return quiet.length > 0 ? [...steps, networksOf(quiet)] : steps;
}

/** RFC 7208 §6: "redirect" and "exp" "MUST NOT appear in a record more than once each". */
const appearsTwice = ({ kind, text, at }: Modifier): SyntaxProblem =>
  problem(`${kind}= appears more than once`, at, text);

const problem = (text: string, at: number, term: string): SyntaxProblem => ({
  kind: 'problem',
  problem: text,
  at,
  term,
});

const resultOfQualifier: Readonly<Record<string, DirectiveResult>> = {
  '+': 'pass',
  '-': 'fail',
  '?': 'neutral',
  '~': 'softfail',
};

/** RFC 7208 §4.6.1: `name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )`, then "=" before any ":" or "/". */
const modifierTerm = /^([a-z][a-z0-9\-_.]*)=/i;
const directiveTerm = /^([-+?~]?)([a-z0-9]*)/i;

/** One term as written, standing at index `at` of its record. */
export function parseTerm(text: string, at: number): Term | SyntaxProblem {
  const name = modifierTerm.exec(text)?.[1];
  if (name !== undefined) return parseModifier(text, at, name);
  const [head = '', qualifier = '', mechanism = ''] = directiveTerm.exec(text) ?? [];
  return parseDirective(
    { text, at, result: resultOfQualifier[qualifier] ?? 'pass' },
    { mechanism: mechanism.toLowerCase(), from: head.length },
  );
}

interface Base {
  readonly text: string;
  readonly at: number;
  readonly result: DirectiveResult;
}

/** `from`: where in the term the mechanism's name has ended. */
function parseDirective(
  base: Base,
  { mechanism, from }: { mechanism: string; from: number },
): Directive | SyntaxProblem {
  const { text, at } = base;
  const rest = text.slice(from);
  switch (mechanism) {
    case 'all':
      return rest === '' ? { kind: 'all', ...base } : problem('all takes nothing after it', at + from, text);
    case 'include':
    case 'exists': {
      const target = parseTarget(base, from, text.length);
      if (target === undefined)
        return problem(`${mechanism} needs a domain: ${mechanism}:example.org`, at + from, text);
      return target.kind === 'problem' ? target : { kind: mechanism, ...base, target: target.spec };
    }
    case 'ptr': {
      const target = parseTarget(base, from, text.length);
      if (target?.kind === 'problem') return target;
      return { kind: 'ptr', ...base, target: target && target.spec };
    }
    case 'a':
    case 'mx':
      return parseAddressDirective(mechanism, base, from);
    case 'ip4':
      return parseIp4Directive(base, from);
    case 'ip6':
      return parseIp6Directive(base, from);
    default:
      return problem(unknownTerm(text), at, text);
  }
}

function unknownTerm(text: string): string {
  const odd = /[^\x21-\x7e]/.exec(text);
  if (odd) return `${nameOfCharacter(text, odd.index)} may not stand in a record`;
  return text.includes('=') ? 'neither a mechanism nor a modifier' : 'no such mechanism';
}

type Target = { readonly kind: 'target'; readonly spec: DomainSpec } | SyntaxProblem;

/** The `":" domain-spec` between two indices of a term; undefined when nothing stands there. */
function parseTarget(
  { text, at }: { readonly text: string; readonly at: number },
  from: number,
  to: number,
): Target | undefined {
  if (from >= to) return undefined;
  if (text[from] !== ':') return problem(`${nameOfCharacter(text, from)} may not stand here`, at + from, text);
  const spec = parseDomainSpec(text.slice(from + 1, to));
  return spec.kind === 'problem' ? problem(spec.problem, at + from + 1 + spec.at, text) : spec;
}

/**
 *     toplabel = ( *alphanum ALPHA *alphanum )
 *              / ( 1*alphanum "-" *( alphanum / "-" ) alphanum )           ; RFC 7208 §7.1
 *
 * A text may be 64 KB of hostile octets: each expression here reads it once.
 */
function endsInTopLabel(text: string): boolean {
  const dot = text.lastIndexOf('.');
  const label = text.slice(dot + 1);
  return (
    dot >= 0 && /^[a-z0-9-]+$/i.test(label) && !label.startsWith('-') && !label.endsWith('-') && /[^0-9]/.test(label)
  );
}

function parseDomainSpec(
  text: string,
): { kind: 'target'; spec: DomainSpec } | { kind: 'problem'; problem: string; at: number } {
  if (text === '') return { kind: 'problem', problem: 'a domain is missing', at: 0 };
  const macro = parseMacroString(text, 'domain-spec');
  if ('kind' in macro) return macro;
  const undotted = withoutFinalDot(text);
  if (!macro.endsInExpand && !endsInTopLabel(undotted)) {
    const at = Math.max(0, undotted.lastIndexOf('.'));
    return {
      kind: 'problem',
      problem: 'not a domain: it must end in a dot and a name such as .org, or in a macro',
      at,
    };
  }
  const name = literalName(macro);
  return { kind: 'target', spec: { macro, name, isCheckable: name !== undefined && isCheckable(name) } };
}

/** The name when no macro stands in it, as DNS would be asked; '' when DNS cannot be asked for it. */
function literalName({ parts }: MacroString): string | undefined {
  if (parts.some((part) => typeof part !== 'string')) return undefined;
  return ownName(fitQueryName((parts as readonly string[]).join('')) ?? '');
}

/**
 *     dual-cidr-length = [ ip4-cidr-length ] [ "/" ip6-cidr-length ]       ; RFC 7208 §5.6
 *     ip4-cidr-length  = "/" ("0" / %x31-39 0*1DIGIT)  ; 0 to 32
 *     ip6-cidr-length  = "/" ("0" / %x31-39 0*2DIGIT)  ; 0 to 128
 *
 * A domain-spec may contain slashes but cannot end in one and digits, so the end of the term decides.
 */
const dualCidrLength = /(?:\/(\d+))?(?:\/\/(\d+))?$/;

function parseAddressDirective(kind: 'a' | 'mx', base: Base, from: number): Directive | SyntaxProblem {
  const { text, at } = base;
  const cidr = dualCidrLength.exec(text);
  const cidrAt = Math.max(from, cidr?.index ?? text.length);
  const prefix4 = prefixLength(cidr?.[1], 32);
  const prefix6 = prefixLength(cidr?.[2], 128);
  if (prefix4 === undefined) return problem('an IPv4 prefix length is a number from 0 to 32', at + cidrAt, text);
  if (prefix6 === undefined) return problem('an IPv6 prefix length is a number from 0 to 128', at + cidrAt, text);
  const target = parseTarget(base, from, cidrAt);
  if (target?.kind === 'problem') return target;
  const masks = { mask4: maskOf(prefix4), masks6: masks6Of(prefix6) };
  return { kind, ...base, target: target && target.spec, prefix4, prefix6, ...masks };
}

/**
 * Reads a prefix length, which has no leading zeros (RFC 7208 §5.6). It is `max` where there are no digits, and
 * undefined where they are no length.
 */
function prefixLength(digits: string | undefined, max: number): number | undefined {
  if (digits === undefined) return max;
  return /^(?:0|[1-9]\d{0,2})$/.test(digits) && Number(digits) <= max ? Number(digits) : undefined;
}

function parseIp4Directive(base: Base, from: number): Directive | SyntaxProblem {
  const { text, at } = base;
  const { address, digits } = networkOf(text, from);
  const ip = parseIp(address);
  if (ip?.family !== 4 || address.includes(':')) {
    return problem('ip4 needs an IPv4 address: ip4:192.0.2.1 or ip4:192.0.2.0/24', at + from, text);
  }
  const prefix = prefixLength(digits, 32);
  if (prefix === undefined) return problem('an IPv4 prefix length is a number from 0 to 32', slashAt(base), text);
  const mask = maskOf(prefix);
  return { kind: 'ip4', ...base, base: (ip.words[0] ?? 0) & mask, mask, prefix };
}

function parseIp6Directive(base: Base, from: number): Directive | SyntaxProblem {
  const { text, at } = base;
  const { address, digits } = networkOf(text, from);
  const ip = address.includes(':') ? parseIp(address) : undefined;
  if (!ip) return problem('ip6 needs an IPv6 address: ip6:2001:db8::1 or ip6:2001:db8::/32', at + from, text);
  const prefix = prefixLength(digits, 128);
  if (prefix === undefined) return problem('an IPv6 prefix length is a number from 0 to 128', slashAt(base), text);
  // A mapped address reads as its IPv4 address; here it is a network of IPv6 all the same, which no
  // mapped client matches (RFC 7208 §5: such a client is IPv4).
  const words = ip.family === 6 ? ip.words : [0, 0, 0xffff, ip.words[0] ?? 0];
  const masks = masks6Of(prefix);
  return { kind: 'ip6', ...base, base: words.map((word, i) => word & (masks[i] ?? 0)), masks, prefix };
}

/** Splits `":" network [ "/" digits ]`; the address is '' where the text has another form. */
function networkOf(text: string, from: number): { address: string; digits: string | undefined } {
  const m = /^:([^/]*)(?:\/(.*))?$/s.exec(text.slice(from));
  return { address: m?.[1] ?? '', digits: m?.[2] };
}

const slashAt = ({ text, at }: Base): number => at + text.indexOf('/');

/** The signed 32-bit mask that keeps so many bits; all or none of them where there are not so many. */
const maskOf = (bits: number): number => (bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits));

const masks6Of = (prefix: number): Masks => [0, 32, 64, 96].map((before) => maskOf(prefix - before));

function parseModifier(text: string, at: number, name: string): Modifier | SyntaxProblem {
  const from = name.length + 1;
  const lower = name.toLowerCase();
  if (lower === 'redirect' || lower === 'exp') {
    const target = parseDomainSpec(text.slice(from));
    if (target.kind === 'problem') return problem(target.problem, at + from + target.at, text);
    return { kind: lower, text, at, target: target.spec };
  }
  // RFC 7208 §6: unknown modifiers are ignored, but their macro-string is checked by the grammar.
  const macro = parseMacroString(text.slice(from), 'unknown-modifier');
  if ('kind' in macro) return problem(macro.problem, at + from + macro.at, text);
  return { kind: 'unknown', text, at, name: lower };
}
