/**
 * The evaluation of records (RFC 7208 §4 to §6): from a question and the answers of DNS to a result, without a
 * pause. Where an answer is not there yet, all functions return "waiting", up to `run`, and `awaited` says for what.
 * Who runs it waits, and has another `Evaluation` begin anew that finds the answer there (check-host.ts): there are
 * few of them, and what comes before is done again in microseconds.
 *
 * No look-up goes beyond the limits: at most `lookups` terms ask DNS, each of them once, an `mx` for at
 * most `mx` hosts and a `ptr` or a `%{p}` for at most `ptr` names more.
 */
import { reverseName, type Ip } from '../mail/ip.js';
import type { DnsAnswer, LookupOptions, RecordData, RecordType, Resolver } from '../dns/resolver.js';
import { firstMatch, isAmong, wholeAddress, type DualMasks } from './address-match.js';
import { failedAnswer } from './deadline.js';
import { fitQueryName, isCheckable, maxNameLength, isQueryName, isWithin, withoutFinalDot } from './domain.js';
import type { Identity } from './identity.js';
import { explainStringIn, sanitiseExplanation } from './explain.js';
import type { SpfLimits } from './limits.js';
import { expandMacro, type MacroString, type MacroValues } from './macro.js';
import type { SpfOptions, SpfQuery } from './query.js';
import type {
  AskingDirective,
  DomainSpec,
  Include,
  Networks,
  SpfRecord,
  SpfResultCode,
  TargetModifier,
} from './record.js';
import { mxHosts, publishedRecord } from './read-answer.js';
import {
  closeRecord,
  decidingRecord,
  lookupTrace,
  openTerm,
  recordTrace,
  type RecordTrace,
  type TermTrace,
} from './trace/trace.js';

/** "It can match, not match, or return an exception" (RFC 7208 §4.6.2). */
type Matched = 'match' | 'no match' | 'temperror' | 'permerror' | 'waiting';

/** A question whose answer is on its way. */
export interface AwaitedAnswer {
  readonly name: string;
  readonly type: RecordType;
  readonly answer: Promise<DnsAnswer<unknown>>;
}

/** What is judged, and how; resolvers are given it for their options. */
export interface EvaluationInput extends LookupOptions {
  readonly identity: Identity;
  readonly query: SpfQuery;
  readonly options: SpfOptions;
  readonly limits: SpfLimits;
}

/** An evaluation that came to its end, or to an answer that it waits for. */
export function evaluate(input: EvaluationInput, resolver: Resolver): Evaluation {
  const evaluation = new Evaluation(input, resolver);
  evaluation.run();
  return evaluation;
}

export class Evaluation implements MacroValues {
  /** What it waits for; undefined when it came to its end. */
  awaited: AwaitedAnswer | undefined = undefined;
  /** Terms that asked DNS. */
  lookups = 0;
  /** Terms that asked DNS and were told at least once that there is nothing. */
  voids = 0;
  /** The result; undefined until it is certain. An explanation may still be on its way then. */
  result: SpfResultCode | undefined = undefined;
  mechanism: string | undefined = undefined;
  mechanismDomain: string | undefined = undefined;
  problem: string | undefined = undefined;
  explanation: string | undefined = undefined;
  readonly trace: RecordTrace | undefined;
  readonly #input: EvaluationInput;
  readonly #resolver: Resolver;
  /** Octets of the records that were read. */
  #octets = 0;
  #exp: TargetModifier | undefined = undefined;
  /** Is the term that is evaluated among `voids` already? Those below an include are terms of their own. */
  #isCountedVoid = false;

  constructor(input: EvaluationInput, resolver: Resolver) {
    this.#input = input;
    this.#resolver = resolver;
    this.trace = input.options.trace ? recordTrace(input.identity.domain) : undefined;
  }

  /** check_host() for the sender's domain, and the explanation of a fail. */
  run(): void {
    const { identity } = this.#input;
    const result = this.#checkDomain(
      { domain: identity.domain, included: false, trace: this.trace },
      identity.isCheckable,
    );
    if (result === 'waiting') return;
    this.result = result;
    if (result === 'fail' && this.#exp !== undefined && this.#input.options.explain !== false) {
      this.explanation = this.#explanationBy(this.#exp, this.mechanismDomain ?? this.senderDomain);
    }
  }

  get sender(): string {
    return this.#input.identity.sender;
  }

  get localPart(): string {
    return this.#input.identity.localPart;
  }

  get senderDomain(): string {
    return this.#input.identity.domain;
  }

  get ip(): Ip {
    return this.#input.query.ip;
  }

  get helo(): string {
    return this.#input.query.helo;
  }

  get receiver(): string {
    return this.#input.query.receiver ?? 'unknown';
  }

  now(): number {
    return (this.#input.options.now ?? Date.now)();
  }

  /**
   * check_host() of RFC 7208 §4.1. `included`: the domain is asked for by an include, so its mechanism and its `exp`
   * are not those of the outcome. `isFit`: the domain is one that can have a record.
   */
  #checkDomain(at: RecordPosition, isFit: boolean): SpfResultCode | 'waiting' {
    const { domain, trace } = at;
    if (!isFit) return this.#uncheckable(domain, trace);
    const answer = this.#ask(domain, 'TXT', trace);
    if (answer === undefined) return 'waiting';
    const record = this.#recordIn(answer, domain, trace);
    const result = typeof record === 'string' ? record : this.#evaluate(record, at);
    if (trace !== undefined && result !== 'waiting') closeRecord(trace, result, record, this.problem);
    return result;
  }

  /** RFC 7208 §4.3: a malformed or single-label domain is "none". */
  #uncheckable(domain: string, trace: RecordTrace | undefined): 'none' {
    const result = this.#ends('none', `${quoted(domain)} is not a domain name that can have a record`);
    if (trace !== undefined) closeRecord(trace, result, result, this.problem);
    return result;
  }

  /** RFC 7208 §4.4 to §4.6: the parsed record, or the result where there is no record to evaluate. */
  #recordIn(
    answer: DnsAnswer<readonly string[]>,
    domain: string,
    trace: RecordTrace | undefined,
  ): SpfRecord | NoRecordResult {
    if (answer.kind === 'failed') return this.#ends('temperror', failedText(domain, 'TXT', answer.problem)); // §4.4
    if (answer.kind === 'void') return this.#ends('none', `${domain} has no SPF record`); // §4.5
    const published = publishedRecord(answer.records);
    if (published.kind === 'none') return this.#ends('none', `${domain} has no SPF record`);
    if (published.kind === 'several') return this.#ends('permerror', `${domain} has several SPF records`);
    if (trace !== undefined) trace.record = published.text;
    this.#octets += published.text.length;
    const { text: maxOctets } = this.#input.limits;
    if (this.#octets > maxOctets) {
      return this.#ends('permerror', `${domain}: with its record there are more than ${maxOctets} octets to read`);
    }
    const { parsed } = published;
    if (parsed.kind === 'record') return parsed.record;
    return this.#ends('permerror', `${quoted(parsed.term)} in the record of ${domain}: ${parsed.problem}`); // §4.6
  }

  #evaluate(record: SpfRecord, at: RecordPosition): SpfResultCode | 'waiting' {
    for (const step of record.steps) {
      if (step.kind === 'networks') {
        const index = firstMatch(step, this.ip);
        if (at.trace !== undefined) traceNetworks(at.trace, step, index);
        const directive = step.directives[index];
        if (directive === undefined) continue;
        this.#decidedBy(directive.text, record, at);
        return directive.result;
      }
      const term = at.trace && openTerm(at.trace, step.text);
      const matched = this.#askDns(step, at.domain, term);
      if (term !== undefined && matched !== 'waiting') term.outcome = matched;
      if (matched === 'no match') continue;
      if (matched !== 'match') return matched;
      this.#decidedBy(step.text, record, at);
      return step.result;
    }
    if (record.redirect !== undefined) return this.#follow(record.redirect, at);
    this.#decidedBy('default', record, at);
    return 'neutral'; // RFC 7208 §4.7
  }

  #decidedBy(mechanism: string, record: SpfRecord, { domain, included }: RecordPosition): void {
    this.problem = undefined;
    if (included) return;
    this.mechanism = mechanism;
    this.mechanismDomain = domain;
    this.#exp = record.exp;
  }

  /**
   * RFC 7208 §6.1: the result of the target's record is the result of this one, "none" becoming "permerror"; so
   * is its explanation (§6.2).
   */
  #follow(redirect: TargetModifier, at: RecordPosition): SpfResultCode | 'waiting' {
    const term = at.trace && openTerm(at.trace, redirect.text);
    if (term !== undefined) term.outcome = 'permerror';
    if (!this.#countTerm(redirect.text)) return 'permerror';
    const target = redirect.target.name ?? this.#expand(redirect.target.macro, at.domain, term);
    if (this.awaited !== undefined) return 'waiting';
    if (this.#tooManyVoids(redirect.text)) return 'permerror';
    if (!target) return this.#ends('permerror', `${redirect.text}: no domain name comes of it`);
    const trace = term && recordTrace(target);
    if (term !== undefined) {
      term.outcome = 'followed';
      term.target = target;
      term.nested = trace;
    }
    const isFit = isFitTarget(redirect.target, target);
    const result = this.#checkDomain({ domain: target, included: at.included, trace }, isFit);
    return result === 'none' ? this.#ends('permerror', `${redirect.text}: ${this.problem ?? ''}`) : result;
  }

  /** include, a, mx, ptr and exists. */
  #askDns(directive: AskingDirective, domain: string, term: TermTrace | undefined): Matched {
    if (!this.#countTerm(directive.text)) return 'permerror';
    const spec = directive.target;
    // RFC 7208 §4.8: without a domain-spec the <target-name> is <domain>.
    const target = spec === undefined ? domain : (spec.name ?? this.#expand(spec.macro, domain, term));
    if (this.awaited !== undefined) return 'waiting';
    if (this.#tooManyVoids(directive.text)) return 'permerror';
    if (term !== undefined) term.target = target;
    if (!target) return this.#unusableTarget(directive, target, term);
    const matched = this.#askTarget(directive, target, term);
    return this.#tooManyVoids(directive.text) ? 'permerror' : matched;
  }

  /**
   * RFC 7208 §4.8 leaves a malformed <target-name> open. Our choice: nothing is asked and a, mx, ptr and exists do
   * not match; an include does not match anything either where its local-part is not ASCII (RFC 8616 §4),
   * else its check_host() is "none" (§4.3), so permerror (§5.2).
   */
  #unusableTarget(directive: AskingDirective, target: string | undefined, term: TermTrace | undefined): Matched {
    if (term !== undefined)
      term.note = target === '' ? 'no name that DNS could be asked for' : 'the local-part is not ASCII';
    if (directive.kind !== 'include' || target === undefined) return 'no match';
    return this.#ends('permerror', `${directive.text}: no domain name comes of it`);
  }

  #askTarget(directive: AskingDirective, target: string, term: TermTrace | undefined): Matched {
    switch (directive.kind) {
      case 'include':
        return this.#include(directive, target, term);
      case 'a':
        return this.#a(directive, target, term);
      case 'mx':
        return this.#mx(directive, target, term);
      case 'ptr':
        return this.#ptr(target, term);
      case 'exists':
        return this.#exists(directive.text, target, term);
    }
  }

  /** RFC 7208 §5.2, its table. */
  #include({ text, target: spec }: Include, target: string, term: TermTrace | undefined): Matched {
    const trace = term && recordTrace(target);
    if (term !== undefined) term.nested = trace;
    const result = this.#checkDomain({ domain: target, included: true, trace }, isFitTarget(spec, target));
    switch (result) {
      case 'pass':
        return 'match';
      case 'fail':
      case 'softfail':
      case 'neutral':
        return 'no match';
      case 'temperror':
        return 'temperror';
      case 'permerror':
        return 'permerror';
      case 'waiting':
        return 'waiting';
      case 'none':
        return this.#ends('permerror', `${text}: ${this.problem ?? ''}`);
    }
  }

  /** RFC 7208 §5.3. A prefix of 0 still needs an address to compare with. */
  #a(directive: DualMasks & { readonly text: string }, target: string, term: TermTrace | undefined): Matched {
    const type = this.#addressType;
    const answer = this.#ask(target, type, term);
    if (answer === undefined) return 'waiting';
    if (answer.kind === 'failed') return this.#fails(directive.text, failedText(target, type, answer.problem));
    if (answer.kind === 'found') return isAmong(this.ip, answer.records, directive) ? 'match' : 'no match';
    this.#countVoid();
    return 'no match';
  }

  /** RFC 7208 §5.4: no implicit MX; hosts in order of preference. */
  #mx(directive: DualMasks & { readonly text: string }, target: string, term: TermTrace | undefined): Matched {
    const answer = this.#ask(target, 'MX', term);
    if (answer === undefined) return 'waiting';
    if (answer.kind === 'failed') return this.#fails(directive.text, failedText(target, 'MX', answer.problem));
    if (answer.kind === 'void') {
      this.#countVoid();
      return 'no match';
    }
    // RFC 7208 §4.6.4: more than ten are permerror. Our choice: whatever their order, which DNS does not keep.
    if (answer.records.length > this.#input.limits.mx) {
      return this.#ends('permerror', `${directive.text}: ${target} has more than ${this.#input.limits.mx} MX records`);
    }
    for (const host of mxHosts(answer.records)) {
      const matched = this.#a(directive, host, term);
      if (matched !== 'no match') return matched;
      if (this.voids > this.#input.limits.voids) break;
    }
    return 'no match';
  }

  /** RFC 7208 §5.5. A failed PTR look-up means no match. */
  #ptr(target: string, term: TermTrace | undefined): Matched {
    const names = this.#validatedNames(term);
    if (names === undefined) return 'waiting';
    return names.some((name) => isWithin(name, target)) ? 'match' : 'no match';
  }

  /** RFC 7208 §5.7: an A record, also for an IPv6 client. */
  #exists(text: string, target: string, term: TermTrace | undefined): Matched {
    const answer = this.#ask(target, 'A', term);
    if (answer === undefined) return 'waiting';
    if (answer.kind === 'failed') return this.#fails(text, failedText(target, 'A', answer.problem));
    if (answer.kind === 'found') return 'match';
    this.#countVoid();
    return 'no match';
  }

  /**
   * The names of the client's address that lead back to it (RFC 7208 §5.5), the first ten of them being
   * looked at. All are validated before any is compared, as the RFC's pseudo-code has it, so that the
   * void look-ups do not depend on the order of an answer. Undefined while one is awaited.
   */
  #validatedNames(term: TermTrace | undefined): readonly string[] | undefined {
    const answer = this.#ask(reverseName(this.ip), 'PTR', term);
    if (answer === undefined) return undefined;
    if (answer.kind === 'void') this.#countVoid();
    if (answer.kind !== 'found') return [];
    const validated: string[] = [];
    for (const pointer of answer.records.slice(0, this.#input.limits.ptr)) {
      const name = withoutFinalDot(pointer);
      if (!isQueryName(name)) continue;
      const type = this.#addressType;
      const addresses = this.#ask(name, type, term);
      if (addresses === undefined) return undefined;
      if (addresses.kind === 'void') this.#countVoid();
      if (this.voids > this.#input.limits.voids) break;
      if (addresses.kind === 'found' && isAmong(this.ip, addresses.records, wholeAddress)) validated.push(name);
    }
    return validated;
  }

  /**
   * Expands a macro-string to a name to ask for: '' when the text is no such name, undefined when the term matches
   * nothing (RFC 8616 §4), or while an answer is awaited.
   */
  #expand(macro: MacroString, domain: string, term: TermTrace | undefined): string | undefined {
    const text = this.#textOf(macro, domain, term);
    if (text === undefined) return undefined;
    return macro.isName && text.length <= maxNameLength ? withoutFinalDot(text) : (fitQueryName(text) ?? '');
  }

  #textOf(macro: MacroString, domain: string, term: TermTrace | undefined): string | undefined {
    const validated = macro.usesPtr ? this.#validatedName(domain, term) : 'unknown';
    return validated === undefined ? undefined : expandMacro(macro, this, { domain, validated });
  }

  /**
   * `%{p}` (RFC 7208 §7.3): the domain itself, else a name below it, else any validated name, else "unknown".
   * Our choice: its PTR look-up is part of the term it stands in, which is counted once (§4.6.4 counts terms).
   * Undefined while an answer is awaited.
   */
  #validatedName(domain: string, term: TermTrace | undefined): string | undefined {
    const names = this.#validatedNames(term);
    if (names === undefined) return undefined;
    const lower = domain.toLowerCase();
    return (
      names.find((name) => name.toLowerCase() === lower) ??
      names.find((name) => isWithin(name, domain)) ??
      names[0] ??
      'unknown'
    );
  }

  /** RFC 7208 §6.2; whatever goes wrong, there is no explanation. Its look-ups are outside the limits (§4.6.4). */
  #explanationBy(exp: TargetModifier, domain: string): string | undefined {
    const term =
      this.trace === undefined
        ? undefined
        : decidingRecord(this.trace).terms.find(({ term: text }) => text === exp.text);
    const text = this.#explanationText(exp, domain, term);
    if (term !== undefined && this.awaited === undefined) term.outcome = text === undefined ? 'ignored' : 'followed';
    return text;
  }

  #explanationText(exp: TargetModifier, domain: string, term: TermTrace | undefined): string | undefined {
    const target = exp.target.name ?? this.#expand(exp.target.macro, domain, term);
    if (term !== undefined) term.target = target;
    if (!target) return undefined;
    const answer = this.#ask(target, 'TXT', term);
    if (answer === undefined) return undefined;
    const macro = answer.kind === 'found' ? explainStringIn(answer.records) : undefined;
    const text = macro && this.#textOf(macro, domain, term);
    return text === undefined ? undefined : sanitiseExplanation(text);
  }

  /** An answer that is there, told to the trace; undefined, and `awaited`, where one is on its way. */
  #ask<T extends RecordType>(
    name: string,
    type: T,
    trace: RecordTrace | TermTrace | undefined,
  ): DnsAnswer<RecordData[T]> | undefined {
    const answer = this.#lookup(name, type);
    if (answer instanceof Promise) {
      this.awaited = { name, type, answer };
      return undefined;
    }
    trace?.lookups.push(lookupTrace(name, type, answer));
    return answer;
  }

  #lookup<T extends RecordType>(name: string, type: T): DnsAnswer<RecordData[T]> | Promise<DnsAnswer<RecordData[T]>> {
    try {
      return this.#resolver.lookup(name, type, this.#input);
    } catch (error) {
      return failedAnswer(error);
    }
  }

  /** "A" for an IPv4 client, "AAAA" for an IPv6 client (RFC 7208 §5). */
  get #addressType(): 'A' | 'AAAA' {
    return this.ip.family === 4 ? 'A' : 'AAAA';
  }

  /** RFC 7208 §4.6.4: no more than ten terms may ask DNS. */
  #countTerm(text: string): boolean {
    if (this.lookups < this.#input.limits.lookups) {
      this.lookups++;
      this.#isCountedVoid = false;
      return true;
    }
    this.problem = `${text}: more than ${this.#input.limits.lookups} terms ask DNS`;
    return false;
  }

  /**
   * RFC 7208 §4.6.4 limits "the number of "terms" for which DNS queries return" nothing: an `mx` whose hosts have no
   * address of the client's family is one. Those for an explanation do not count: the result is certain by then.
   */
  #countVoid(): void {
    if (this.result !== undefined || this.#isCountedVoid) return;
    this.#isCountedVoid = true;
    this.voids++;
  }

  /** RFC 7208 §4.6.4: more than two void terms are permerror. */
  #tooManyVoids(text: string): boolean {
    if (this.voids <= this.#input.limits.voids) return false;
    this.problem = `${text}: more than ${this.#input.limits.voids} terms found nothing`;
    return true;
  }

  #fails(text: string, problem: string): 'temperror' {
    return this.#ends('temperror', `${text}: ${problem}`);
  }

  #ends<R extends SpfResultCode>(result: R, problem: string): R {
    this.problem = problem;
    return result;
  }
}

type NoRecordResult = 'none' | 'temperror' | 'permerror';

/** Where an evaluation is. */
interface RecordPosition {
  readonly domain: string;
  readonly included: boolean;
  readonly trace: RecordTrace | undefined;
}

/** `index`: of the directive that matched; -1 when none did. */
function traceNetworks(trace: RecordTrace, { directives }: Networks, index: number): void {
  for (const { text } of index < 0 ? directives : directives.slice(0, index)) openTerm(trace, text);
  const directive = directives[index];
  if (directive !== undefined) openTerm(trace, directive.text).outcome = 'match';
}

/** Is a target-name one that can have a record (RFC 7208 §4.3)? One without macros was looked at when it was parsed. */
const isFitTarget = ({ name, isCheckable: isKnownAsFit }: DomainSpec, target: string): boolean =>
  name === undefined ? isCheckable(target) : isKnownAsFit;

const failedText = (name: string, type: RecordType, problem: string): string =>
  `the ${type} look-up of ${name} failed: ${problem}`;

const quoted = (text: string): string => `"${text}"`;
