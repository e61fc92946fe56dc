/**
 * A record without its look-ups: what it includes, redirects to and finds in DNS, as networks, in the order in which
 * the record looks at them. What depends on the mail stays as it is. An evaluation of the flat terms comes to the same
 * result as one of the record, as long as the addresses stay what they are. How terms become records: `flat-records`.
 *
 * Never throws. It gives up where an answer is missing or a record is broken: half a list would refuse good mail.
 */
import { type Ip, type Network, networkBase } from '../../mail/ip.js';
import { type Result, wrong } from '../../mail/result.js';
import type { DnsAnswer, RecordData, RecordType, Resolver } from '../../dns/resolver.js';
import { isQueryName, withoutFinalDot } from '../domain.js';
import { defaultLimits } from '../limits.js';
import { isSpfRecord, parseRecord } from '../parse.js';
import type { AddressDirective, Directive, DirectiveResult, Include, Ip4, Ip6, TargetModifier } from '../record.js';
import { selectRecord } from '../read-answer.js';

export interface FlatNetwork {
  readonly kind: 'network';
  readonly result: DirectiveResult;
  readonly network: Network;
  /** The term of the record that was flattened, as written, which led to it. */
  readonly from: string;
}

export interface FlatKept {
  readonly kind: 'kept';
  readonly result: DirectiveResult;
  /** Without its qualifier. */
  readonly text: string;
  readonly from: string;
  /** Why it is none of the addresses: a clause. */
  readonly why: string;
  /** Terms that ask DNS when it is evaluated, itself and those below it. */
  readonly lookups: number;
}

export type FlatTerm = FlatNetwork | FlatKept;

export interface Flat {
  /** The text of the record that was flattened. */
  readonly record: string;
  readonly terms: readonly FlatTerm[];
  /** What is said of all other hosts; undefined where nothing is. */
  readonly all: DirectiveResult | undefined;
  /** `redirect=` and `exp=` that stay, as written. */
  readonly modifiers: readonly string[];
  /** Terms that ask DNS by way of the modifiers. */
  readonly modifierLookups: number;
  /** Sentences without a full stop: what was left out, and why. */
  readonly notes: readonly string[];
}

export interface FlattenOptions {
  readonly resolver: Resolver;
  /** Once it is aborted, look-ups fail. */
  readonly signal?: AbortSignal;
}

/** Why there is nothing: DNS may answer another time, or a record has to be mended first. */
export interface FlattenProblem {
  readonly isTemporary: boolean;
  readonly text: string;
}

/** The record that a domain publishes, or the given one in its place. */
export async function flatten(
  { domain, record }: { readonly domain: string; readonly record?: string },
  options: FlattenOptions,
): Promise<Result<Flat, FlattenProblem>> {
  const flattening = new Flattening(options);
  const text = record ?? (await flattening.publishedRecord(domain, domain));
  const body = await flattening.body(text, { domain, path: [domain.toLowerCase()] });
  const { problem, notes } = flattening;
  return problem === undefined
    ? { ok: true, value: { record: text, ...body, notes: [...new Set(notes)] } }
    : wrong(problem);
}

type Body = Omit<Flat, 'record' | 'notes'>;

interface Place {
  readonly domain: string;
  /** The domains that led here, itself among them, in lower case. */
  readonly path: readonly string[];
  /** The term of the first record that led here; undefined in the first record. */
  readonly from?: string;
}

/** A record over the limits is what people flatten; beyond these terms that ask DNS it is an attack. */
const maxTerms = 100;

const nothing: Body = { terms: [], all: undefined, modifiers: [], modifierLookups: 0 };

class Flattening {
  readonly notes: string[] = [];
  /** The first; nothing is asked any more once there is one, and what is returned is of no use. */
  problem: FlattenProblem | undefined = undefined;
  readonly #options: FlattenOptions;
  #terms = 0;

  constructor(options: FlattenOptions) {
    this.#options = options;
  }

  /** `term`: what needs the record. */
  async publishedRecord(domain: string, term: string): Promise<string> {
    const selected = selectRecord(await this.#lookup(domain, 'TXT'));
    if (selected.kind === 'one') return selected.text;
    const where = term === domain ? '' : `${term}: `;
    this.#giveUp(`${where}${domain} has ${selected.kind === 'none' ? 'no SPF record' : 'several SPF records'}`);
    return '';
  }

  async body(text: string, place: Place): Promise<Body> {
    if (!isSpfRecord(text)) return this.#giveUp('a record begins with "v=spf1", then a space or the end');
    const parsed = parseRecord(text);
    if (parsed.kind === 'problem')
      return this.#giveUp(`"${parsed.term}" in the record of ${place.domain}: ${parsed.problem}`);
    const { directives, redirect, exp } = parsed.record;
    const terms: FlatTerm[] = [];
    for (const directive of directives) {
      if (directive.kind === 'all') return { ...nothing, terms, all: directive.result, modifiers: textsOf(exp) };
      terms.push(...(await this.#flattened(directive, place)));
    }
    if (redirect === undefined) return { ...nothing, terms, modifiers: textsOf(exp) };
    const stays: Body = { ...nothing, terms, modifiers: [redirect.text, ...textsOf(exp)], modifierLookups: 1 };
    const target = redirect.target.name;
    if (target === undefined) return stays;
    const before = this.#terms;
    const next = await this.#follow(redirect.text, target, place);
    if (hasBound(next)) return { ...stays, modifierLookups: this.#terms - before };
    return { ...next, terms: [...terms, ...next.terms] };
  }

  async #flattened(directive: Exclude<Directive, { kind: 'all' }>, place: Place): Promise<readonly FlatTerm[]> {
    const from = place.from ?? directive.text;
    switch (directive.kind) {
      case 'ip4':
      case 'ip6':
        return networksOf(directive).map((network) => networkTerm(directive, network, from));
      case 'a':
      case 'mx':
        return this.#addresses(directive, place);
      case 'include':
        return this.#include(directive, place);
      case 'exists':
      case 'ptr':
        return [this.#kept(directive, place)];
    }
  }

  /** RFC 7208 §5.2: it matches where the other record says pass. */
  async #include(directive: Include, place: Place): Promise<readonly FlatTerm[]> {
    const target = directive.target.name;
    if (target === undefined) return [this.#kept(directive, place)];
    const before = this.#terms;
    const body = await this.#follow(directive.text, target, place);
    const why = whyNotDissolved(body);
    if (why !== undefined) return [{ ...keptTerm(directive, place), why, lookups: this.#terms - before }];
    return body.terms
      .filter(({ result }) => result === 'pass')
      .map((term): FlatTerm => ({ ...term, result: directive.result }));
  }

  async #follow(term: string, target: string, { path, from }: Place): Promise<Body> {
    this.#count(term);
    if (target === '') return this.#giveUp(`${term} names what DNS cannot be asked for`);
    if (path.includes(target.toLowerCase())) return this.#giveUp(`${term} leads back to ${target}: a loop`);
    const text = await this.publishedRecord(target, term);
    return this.body(text, { domain: target, path: [...path, target.toLowerCase()], from: from ?? term });
  }

  async #addresses(directive: AddressDirective, place: Place): Promise<readonly FlatTerm[]> {
    const target = directive.target === undefined ? place.domain : directive.target.name;
    if (target === undefined) return [this.#kept(directive, place)];
    this.#count(directive.text);
    const hosts = target === '' ? [] : directive.kind === 'a' ? [target] : await this.#mailHosts(directive, target);
    const found: Ip[] = [];
    for (const host of hosts) {
      for (const type of ['A', 'AAAA'] as const) {
        const addresses = await this.#lookup(host, type);
        found.push(...addresses.filter(({ family }) => family === familyOf[type]));
      }
    }
    if (found.length === 0) this.notes.push(`${directive.text} finds nothing, and is left out`);
    return found.map((ip) => {
      const prefix = ip.family === 4 ? directive.prefix4 : directive.prefix6;
      return networkTerm(directive, { base: networkBase(ip, prefix), prefix }, place.from ?? directive.text);
    });
  }

  async #mailHosts({ text }: AddressDirective, target: string): Promise<readonly string[]> {
    const records = await this.#lookup(target, 'MX');
    if (records.length > defaultLimits.mx) {
      this.#giveUp(`${text}: ${target} has more than ${defaultLimits.mx} MX records, which is permerror`);
    }
    return records.map(({ exchange }) => withoutFinalDot(exchange)).filter(isQueryName);
  }

  #kept(directive: Parameters<typeof keptTerm>[0], place: Place): FlatKept {
    this.#count(directive.text);
    return keptTerm(directive, place);
  }

  #count(term: string): void {
    if (++this.#terms > maxTerms) this.#giveUp(`${term}: more than ${maxTerms} terms ask DNS`);
  }

  #giveUp(text: string, isTemporary = false): Body {
    this.problem ??= { isTemporary, text };
    return nothing;
  }

  async #lookup<T extends RecordType>(name: string, type: T): Promise<readonly RecordData[T][]> {
    const { resolver, signal } = this.#options;
    if (this.problem !== undefined) return [];
    const answer = signal?.aborted ? outOfTime : await resolver.lookup(name, type, signal && { signal });
    if (answer.kind === 'failed') this.#giveUp(`the ${type} look-up of ${name} failed: ${answer.problem}`, true);
    return answer.kind === 'found' ? answer.records : [];
  }
}

const outOfTime: DnsAnswer<never> = { kind: 'failed', problem: 'out of time' };

const familyOf = { A: 4, AAAA: 6 } as const;

/** Why an include stays, though what it includes is known. */
function whyNotDissolved({ terms, all, modifiers }: Body): string | undefined {
  const lastPass = terms.findLastIndex(({ result }) => result === 'pass');
  if (terms.slice(0, Math.max(0, lastPass)).some(({ result }) => result !== 'pass')) return 'its record has exceptions';
  if (all === 'pass') return 'its record passes every host';
  if (modifiers.some((text) => /^redirect=/i.test(text))) return 'its record depends on the mail';
  return hasBound({ terms, modifiers: [] }) ? 'its record depends on the mail' : undefined;
}

/** Does a term mean something else in another domain's record (RFC 7208 §7.2: `%{d}`, and `%{p}` by way of it)? */
const hasBound = ({ terms, modifiers }: Pick<Body, 'terms' | 'modifiers'>): boolean =>
  [...terms.map((term) => (term.kind === 'kept' ? term.text : '')), ...modifiers].some((text) => /%\{[dp]/i.test(text));

function keptTerm(directive: Exclude<Directive, { kind: 'all' | 'ip4' | 'ip6' }>, place: Place): FlatKept {
  const { kind, result, target } = directive;
  const bare = directive.text.replace(/^[-+?~]/, '');
  // RFC 7208 §4.8: without a domain-spec it is about the record's own domain.
  const text = target === undefined ? `${kind}:${place.domain}${bare.slice(kind.length)}` : bare;
  const why = kind === 'ptr' ? 'it asks for the name of the client' : 'it depends on the mail';
  return { kind: 'kept', result, text, from: place.from ?? directive.text, why, lookups: 1 };
}

const networkTerm = ({ result }: Directive, network: Network, from: string): FlatNetwork => ({
  kind: 'network',
  result,
  network,
  from,
});

/** None for a mapped network of IPv6, which no client matches (RFC 7208 §5). */
function networksOf(directive: Ip4 | Ip6): readonly Network[] {
  const { kind, base, prefix } = directive;
  const family = kind === 'ip4' ? 4 : 6;
  const words = (kind === 'ip4' ? [base] : base).map((word) => word >>> 0);
  const network: Network = { base: networkBase({ family, words, text: '' }, prefix), prefix };
  return network.base.family === family ? [network] : [];
}

const textsOf = (exp: TargetModifier | undefined): readonly string[] => (exp === undefined ? [] : [exp.text]);
