/**
 * The evaluation of records (RFC 7208 §4 to §6) as a generator: it yields an answer it has to wait for, and
 * runs on without a pause where the answer is known. Who drives it decides how to wait (check-host.ts).
 *
 * No look-up goes beyond the limits: at most `lookups` terms ask DNS, each of them once, an `mx` for at
 * most `mx` hosts and a `ptr` or a `%{p}` for at most `ptr` names more.
 */
import { reverseName, type Ip } from '../mail/ip.js';
import type { DnsAnswer, Mx, RecordData, RecordType, Resolver } from '../dns/resolver.js';
import { isAmong, sameUnder, wholeAddress, type DualMasks } from './address-match.js';
import { failedAnswer, type EvaluationDeadline } from './deadline.js';
import { fitQueryName, isCheckable, isQueryName, isWithin, withoutFinalDot } from './domain.js';
import type { Identity } from './identity.js';
import { explainStringIn, sanitiseExplanation } from './explain.js';
import type { SpfLimits } from './limits.js';
import { expandMacro, type MacroString, type MacroValues } from './macro.js';
import { parsedRecord } from './parse.js';
import type { Directive, Ip4, SpfRecord, SpfResultCode, TargetModifier } from './record.js';
import { selectRecord } from './select-record.js';
import {
  closeRecord,
  decidingRecord,
  lookupTrace,
  openTerm,
  recordTrace,
  type LookupTrace,
  type RecordTrace,
  type TermTrace,
} from './trace/trace.js';

/** A computation that may have to wait for answers. */
export type Steps<T> = Generator<Promise<DnsAnswer<unknown>>, T, DnsAnswer<never>>;

/** "It can match, not match, or return an exception" (RFC 7208 §4.6.2). */
type Matched = 'match' | 'no match' | 'temperror' | 'permerror';

/** Directives that are decided without DNS, and those that are not. */
type QuietDirective = Extract<Directive, { kind: 'all' | 'ip4' | 'ip6' }>;
type AskingDirective = Exclude<Directive, QuietDirective>;

export interface EvaluationInput {
  readonly identity: Identity;
  readonly ip: Ip;
  readonly helo: string;
  readonly receiver: string;
  readonly resolver: Resolver;
  readonly limits: SpfLimits;
  readonly now: () => number;
  readonly deadline: EvaluationDeadline;
  readonly explain: boolean;
  readonly trace: RecordTrace | undefined;
}

export class Evaluation implements MacroValues {
  readonly ip: Ip;
  readonly helo: string;
  readonly receiver: string;
  readonly now: () => number;
  readonly localPart: string;
  readonly senderDomain: string;
  readonly sender: string;
  readonly trace: RecordTrace | undefined;
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
  readonly #resolver: Resolver;
  readonly #limits: SpfLimits;
  readonly #deadline: EvaluationDeadline;
  readonly #explain: boolean;
  /** The first 32 bits of the client's address, signed. */
  readonly #word: number;
  /** Octets of the records that were read. */
  #text = 0;
  #exp: TargetModifier | undefined = undefined;
  /** Is the term that is evaluated among `voids` already? Those below an include are terms of their own. */
  #isCountedVoid = false;

  constructor(input: EvaluationInput) {
    this.ip = input.ip;
    this.helo = input.helo;
    this.receiver = input.receiver;
    this.now = input.now;
    this.localPart = input.identity.localPart;
    this.senderDomain = input.identity.domain;
    this.sender = `${input.identity.localPart}@${input.identity.domain}`;
    this.trace = input.trace;
    this.#resolver = input.resolver;
    this.#limits = input.limits;
    this.#deadline = input.deadline;
    this.#explain = input.explain;
    this.#word = (input.ip.words[0] ?? 0) | 0;
  }

  /** check_host() for the sender's domain, and the explanation of a fail. */
  *run(): Steps<void> {
    this.result = yield* this.#checkDomain(this.senderDomain, false, this.trace);
    if (this.result === 'fail' && this.#explain && this.#exp !== undefined) {
      this.explanation = yield* this.#explanationBy(this.#exp, this.mechanismDomain ?? this.senderDomain);
    }
  }

  /**
   * check_host() of RFC 7208 §4.1. `included`: the domain is asked for by an include, so its mechanism and its `exp`
   * are not those of the outcome.
   */
  *#checkDomain(domain: string, included: boolean, trace: RecordTrace | undefined): Steps<SpfResultCode> {
    if (!isCheckable(domain)) return this.#uncheckable(domain, trace);
    const asked = this.#lookup(domain, 'TXT');
    const answer: DnsAnswer<readonly string[]> = asked instanceof Promise ? yield asked : asked;
    trace?.lookups.push(lookupTrace(domain, 'TXT', answer));
    const record = this.#recordIn(answer, domain, trace);
    const at = { domain, included, trace };
    const result =
      typeof record === 'string'
        ? record
        : (this.#decideQuietly(record, at) ?? (yield* this.#evaluateRecord(record, at)));
    if (trace !== undefined) closeRecord(trace, result, record, this.problem);
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
    const selected = selectRecord(answer.records);
    if (selected.kind === 'none') return this.#ends('none', `${domain} has no SPF record`);
    if (selected.kind === 'several') return this.#ends('permerror', `${domain} has several SPF records`);
    if (trace !== undefined) trace.record = selected.text;
    this.#text += selected.text.length;
    if (this.#text > this.#limits.text) {
      return this.#ends(
        'permerror',
        `${domain}: with its record there are more than ${this.#limits.text} octets to read`,
      );
    }
    const parsed = parsedRecord(selected.text);
    if (parsed.kind === 'record') return parsed.record;
    return this.#ends('permerror', `${quoted(parsed.term)} in the record of ${domain}: ${parsed.problem}`); // §4.6
  }

  /**
   * The result where no term before the one that decides asks DNS, and nobody wants a trace: most records that are
   * included hold networks alone, and need no generator. Undefined elsewhere.
   */
  #decideQuietly(record: SpfRecord, at: RecordPosition): SpfResultCode | undefined {
    if (at.trace !== undefined) return undefined;
    for (const directive of record.directives) {
      if (asksDns(directive)) return undefined;
      if (this.#matchesClient(directive) === 'no match') continue;
      this.#decidedBy(directive.text, record, at);
      return directive.result;
    }
    return undefined;
  }

  *#evaluateRecord(record: SpfRecord, at: RecordPosition): Steps<SpfResultCode> {
    const { trace } = at;
    for (const directive of record.directives) {
      const term = trace && openTerm(trace, directive.text);
      const matched = asksDns(directive)
        ? yield* this.#askDns(directive, at.domain, term)
        : this.#matchesClient(directive);
      if (term !== undefined) term.outcome = matched;
      if (matched === 'no match') continue;
      if (matched !== 'match') return matched;
      this.#decidedBy(directive.text, record, at);
      return directive.result;
    }
    if (record.redirect !== undefined) return yield* this.#follow(record.redirect, at);
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
  *#follow(redirect: TargetModifier, at: RecordPosition): Steps<SpfResultCode> {
    const term = at.trace && openTerm(at.trace, redirect.text);
    if (term !== undefined) term.outcome = 'permerror';
    if (!this.#countTerm(redirect.text)) return 'permerror';
    const target = redirect.target.name ?? (yield* this.#expand(redirect.target.macro, at.domain, term));
    if (this.#tooManyVoids(redirect.text)) return 'permerror';
    if (!target) return this.#ends('permerror', `${redirect.text}: no domain name comes of it`);
    const trace = term && recordTrace(target);
    if (term !== undefined) {
      term.outcome = 'followed';
      term.target = target;
      term.nested = trace;
    }
    const result = yield* this.#checkDomain(target, at.included, trace);
    return result === 'none' ? this.#ends('permerror', `${redirect.text}: ${this.problem ?? ''}`) : result;
  }

  /** all, ip4 and ip6: decided by the client's address alone (RFC 7208 §5.1, §5.6). Allocates nothing. */
  #matchesClient(directive: QuietDirective): 'match' | 'no match' {
    switch (directive.kind) {
      case 'all':
        return 'match';
      case 'ip4':
        return this.#isIn(directive) ? 'match' : 'no match';
      case 'ip6':
        return this.ip.family === 6 && sameUnder(directive.masks, directive.base, this.ip.words) ? 'match' : 'no match';
    }
  }

  /** RFC 7208 §5: a mapped address is IPv4 by the time it gets here; families never mix. */
  #isIn({ base, mask }: Ip4): boolean {
    return (this.#word & mask) === base && this.ip.family === 4;
  }

  /** include, a, mx, ptr and exists. */
  *#askDns(directive: AskingDirective, domain: string, term: TermTrace | undefined): Steps<Matched> {
    if (!this.#countTerm(directive.text)) return 'permerror';
    const spec = directive.target;
    // RFC 7208 §4.8: without a domain-spec the <target-name> is <domain>.
    const target = spec === undefined ? domain : (spec.name ?? (yield* this.#expand(spec.macro, domain, term)));
    if (this.#tooManyVoids(directive.text)) return 'permerror';
    if (term !== undefined) term.target = target;
    if (!target) return this.#unusableTarget(directive, target, term);
    const matched = yield* this.#askTarget(directive, target, term);
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

  #askTarget(directive: AskingDirective, target: string, term: TermTrace | undefined): Steps<Matched> {
    switch (directive.kind) {
      case 'include':
        return this.#include(directive.text, target, term);
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
  *#include(text: string, target: string, term: TermTrace | undefined): Steps<Matched> {
    const trace = term && recordTrace(target);
    if (term !== undefined) term.nested = trace;
    const result = yield* this.#checkDomain(target, true, trace);
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
      case 'none':
        return this.#ends('permerror', `${text}: ${this.problem ?? ''}`);
    }
  }

  /** RFC 7208 §5.3. A prefix of 0 still needs an address to compare with. */
  *#a(directive: DualMasks & { readonly text: string }, target: string, term: TermTrace | undefined): Steps<Matched> {
    const type = this.#addressType;
    const asked = this.#lookup(target, type);
    const answer: DnsAnswer<Ip> = asked instanceof Promise ? yield asked : asked;
    term?.lookups.push(lookupTrace(target, type, answer));
    if (answer.kind === 'failed') return this.#fails(directive.text, failedText(target, type, answer.problem));
    if (answer.kind === 'found') return isAmong(this.ip, answer.records, directive) ? 'match' : 'no match';
    this.#countVoid();
    return 'no match';
  }

  /** RFC 7208 §5.4: no implicit MX; hosts in order of preference. */
  *#mx(directive: DualMasks & { readonly text: string }, target: string, term: TermTrace | undefined): Steps<Matched> {
    const asked = this.#lookup(target, 'MX');
    const answer: DnsAnswer<Mx> = asked instanceof Promise ? yield asked : asked;
    term?.lookups.push(lookupTrace(target, 'MX', answer));
    if (answer.kind === 'failed') return this.#fails(directive.text, failedText(target, 'MX', answer.problem));
    if (answer.kind === 'void') {
      this.#countVoid();
      return 'no match';
    }
    // RFC 7208 §4.6.4: more than ten are permerror. Our choice: whatever their order, which DNS does not keep.
    if (answer.records.length > this.#limits.mx) {
      return this.#ends('permerror', `${directive.text}: ${target} has more than ${this.#limits.mx} MX records`);
    }
    for (const { exchange } of byPreference(answer.records)) {
      const host = withoutFinalDot(exchange);
      if (!isQueryName(host)) continue; // '' is the null MX (RFC 7505)
      const matched = yield* this.#a(directive, host, term);
      if (matched !== 'no match') return matched;
      if (this.voids > this.#limits.voids) break;
    }
    return 'no match';
  }

  /** RFC 7208 §5.5. A failed PTR look-up means no match. */
  *#ptr(target: string, term: TermTrace | undefined): Steps<Matched> {
    const names = yield* this.#validatedNames(term?.lookups);
    return names.some((name) => isWithin(name, target)) ? 'match' : 'no match';
  }

  /** RFC 7208 §5.7: an A record, also for an IPv6 client. */
  *#exists(text: string, target: string, term: TermTrace | undefined): Steps<Matched> {
    const asked = this.#lookup(target, 'A');
    const answer: DnsAnswer<Ip> = asked instanceof Promise ? yield asked : asked;
    term?.lookups.push(lookupTrace(target, 'A', answer));
    if (answer.kind === 'failed') return this.#fails(text, failedText(target, 'A', answer.problem));
    if (answer.kind === 'found') return 'match';
    this.#countVoid();
    return 'no match';
  }

  /**
   * The names of the client's address that lead back to it (RFC 7208 §5.5), the first ten of them being
   * looked at. All are validated before any is compared, as the RFC's pseudo-code has it, so that the
   * void look-ups do not depend on the order of an answer.
   */
  *#validatedNames(lookups: LookupTrace[] | undefined): Steps<readonly string[]> {
    const reverse = reverseName(this.ip);
    const asked = this.#lookup(reverse, 'PTR');
    const answer: DnsAnswer<string> = asked instanceof Promise ? yield asked : asked;
    lookups?.push(lookupTrace(reverse, 'PTR', answer));
    if (answer.kind === 'void') this.#countVoid();
    if (answer.kind !== 'found') return [];
    const validated: string[] = [];
    for (const pointer of answer.records.slice(0, this.#limits.ptr)) {
      const name = withoutFinalDot(pointer);
      if (!isQueryName(name)) continue;
      const type = this.#addressType;
      const askedName = this.#lookup(name, type);
      const addresses: DnsAnswer<Ip> = askedName instanceof Promise ? yield askedName : askedName;
      lookups?.push(lookupTrace(name, type, addresses));
      if (addresses.kind === 'void') this.#countVoid();
      if (this.voids > this.#limits.voids) break;
      if (addresses.kind === 'found' && isAmong(this.ip, addresses.records, wholeAddress)) validated.push(name);
    }
    return validated;
  }

  /**
   * Expands a macro-string to a name to ask for: '' when the text is no such name, undefined when the term matches
   * nothing (RFC 8616 §4).
   */
  *#expand(macro: MacroString, domain: string, term: TermTrace | undefined): Steps<string | undefined> {
    const validated = macro.usesPtr ? yield* this.#validatedName(domain, term) : 'unknown';
    const text = expandMacro(macro, this, { domain, validated });
    return text === undefined ? undefined : (fitQueryName(text) ?? '');
  }

  /**
   * `%{p}` (RFC 7208 §7.3): the domain itself, else a name below it, else any validated name, else "unknown".
   * Our choice: its PTR look-up is part of the term it stands in, which is counted once (§4.6.4 counts terms).
   */
  *#validatedName(domain: string, term: TermTrace | undefined): Steps<string> {
    const names = yield* this.#validatedNames(term?.lookups);
    const lower = domain.toLowerCase();
    return (
      names.find((name) => name.toLowerCase() === lower) ??
      names.find((name) => isWithin(name, domain)) ??
      names[0] ??
      'unknown'
    );
  }

  /** RFC 7208 §6.2; whatever goes wrong, there is no explanation. Its look-ups are outside the limits (§4.6.4). */
  *#explanationBy(exp: TargetModifier, domain: string): Steps<string | undefined> {
    const term =
      this.trace === undefined
        ? undefined
        : decidingRecord(this.trace).terms.find(({ term: text }) => text === exp.text);
    const text = yield* this.#explanationText(exp, domain, term);
    if (term !== undefined) term.outcome = text === undefined ? 'ignored' : 'followed';
    return text;
  }

  *#explanationText(exp: TargetModifier, domain: string, term: TermTrace | undefined): Steps<string | undefined> {
    const target = exp.target.name ?? (yield* this.#expand(exp.target.macro, domain, term));
    if (term !== undefined) term.target = target;
    if (!target) return undefined;
    const asked = this.#lookup(target, 'TXT');
    const answer: DnsAnswer<readonly string[]> = asked instanceof Promise ? yield asked : asked;
    term?.lookups.push(lookupTrace(target, 'TXT', answer));
    const macro = answer.kind === 'found' ? explainStringIn(answer.records) : undefined;
    if (macro === undefined) return undefined;
    const validated = macro.usesPtr ? yield* this.#validatedName(domain, term) : 'unknown';
    const text = expandMacro(macro, this, { domain, validated });
    return text === undefined ? undefined : sanitiseExplanation(text);
  }

  #lookup<T extends RecordType>(name: string, type: T): DnsAnswer<RecordData[T]> | Promise<DnsAnswer<RecordData[T]>> {
    try {
      return this.#resolver.lookup(name, type, this.#deadline);
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
    if (this.lookups < this.#limits.lookups) {
      this.lookups++;
      this.#isCountedVoid = false;
      return true;
    }
    this.problem = `${text}: more than ${this.#limits.lookups} terms ask DNS`;
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
    if (this.voids <= this.#limits.voids) return false;
    this.problem = `${text}: more than ${this.#limits.voids} terms found nothing`;
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

const asksDns = (directive: Directive): directive is AskingDirective =>
  directive.kind !== 'ip4' && directive.kind !== 'ip6' && directive.kind !== 'all';

/** Most answers are in order already. */
function byPreference(records: readonly Mx[]): readonly Mx[] {
  const ordered = records.every((mx, i) => i === 0 || (records[i - 1]?.preference ?? 0) <= mx.preference);
  return ordered ? records : records.toSorted((a, b) => a.preference - b.preference);
}

const failedText = (name: string, type: RecordType, problem: string): string =>
  `the ${type} look-up of ${name} failed: ${problem}`;

const quoted = (text: string): string => `"${text}"`;
