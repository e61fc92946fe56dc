/**
 * What is wrong or unwise in a domain's SPF: its records, and all that they include and redirect to. Look-ups are
 * counted as for a client that no term matches, branch by branch, so that it shows where they are spent. Never
 * throws, and asks DNS for no more than `maxTerms` terms.
 */
import type { Ip } from '../../mail/ip.js';
import { type Result, wrong } from '../../mail/result.js';
import type { DnsAnswer, Mx, RecordType, RecordData, Resolver } from '../../dns/resolver.js';
import { fitQueryName, isQueryName, withoutFinalDot } from '../domain.js';
import { explainStringIn } from '../explain.js';
import { heloIdentity, mailFromIdentity } from '../identity.js';
import { defaultLimits as limits } from '../limits.js';
import { expandMacro } from '../macro.js';
import { type Finding, Findings } from './finding.js';
import { isNoHostName } from './remedy.js';
import { evaluated, followedRedirect, lintRecord, type Role } from './record-text.js';
import { lintTexts } from './txt-records.js';
import { isSpfRecord } from '../parse.js';
import type { Directive, TargetModifier, Term } from '../record.js';

export type { Finding } from './finding.js';

export interface LintOptions {
  /** Where it is undefined nothing is asked, and only the record itself is judged. */
  readonly resolver: Resolver | undefined;
  /** Once it is aborted, look-ups fail. */
  readonly signal?: AbortSignal;
  /** A mail for whose macros names are asked for; without it those that depend on the mail are not. */
  readonly mail?: LintMail;
}

export interface LintMail {
  readonly ip: Ip;
  /** HELO or EHLO argument. */
  readonly helo: string;
  /** Reverse-path without <>; '' is the null reverse-path. */
  readonly from: string;
}

/** What is judged: the record that a domain publishes, or one that it might publish. */
export interface LintSubject {
  readonly domain: string | undefined;
  /** The strings of the TXT record to judge in place of what is published. */
  readonly strings?: readonly string[];
}

/** Terms of which a look-up finds nothing, by the family of the client. */
export interface VoidCount {
  readonly ip4: number;
  readonly ip6: number;
}

/** A term that asks DNS, with all terms that it leads to; the root of the tree is the domain itself. */
export interface LintBranch {
  /** As written; undefined at the root. */
  readonly term: string | undefined;
  /** The domain whose record the term leads to; undefined where it leads to none. */
  readonly domain: string | undefined;
  readonly record: string | undefined;
  /** Terms that ask DNS, this one and those below. */
  readonly lookups: number;
  readonly voids: VoidCount;
  /** A remark to be shown beside the numbers. */
  readonly note: string | undefined;
  readonly branches: readonly LintBranch[];
}

export interface LintReport {
  readonly findings: readonly Finding[];
  readonly tree: LintBranch;
}

/** Look-ups are counted up to here: far over the limit, and soon done. */
const maxTerms = 60;

export async function lint(subject: LintSubject, options: LintOptions): Promise<LintReport> {
  return new RecordLint(options).run(subject);
}

/** A record in the tree: whose it is, and what led to it. */
interface VisitedRecord {
  readonly domain: string | undefined;
  readonly role: Role;
  /** The domains that led here, itself among them, in lower case. */
  readonly path: readonly string[];
  /** What led here; undefined for the first record. */
  readonly by: Following | undefined;
  /** Was this record counted before, with all that it leads to? */
  readonly isRepeated: boolean;
}

type LintQuestion = Extract<Directive, { kind: 'include' | 'a' | 'mx' | 'ptr' | 'exists' }> | TargetModifier;

class RecordLint {
  readonly #options: LintOptions;
  readonly #findings: Finding[] = [];
  #hasLoop = false;
  /** How many terms have asked DNS so far. */
  #terms = 0;
  /** By domain, in lower case: the term that was the first to include it or to redirect to it. */
  readonly #followed = new Map<string, Following>();

  constructor(options: LintOptions) {
    this.#options = options;
  }

  async run({ domain, strings }: LintSubject): Promise<LintReport> {
    const path = domain === undefined ? [] : [domain.toLowerCase()];
    const place: VisitedRecord = { domain, role: 'own', path, by: undefined, isRepeated: false };
    const read = strings === undefined ? await this.#readRecord(place) : this.#givenRecord(place, strings);
    const tree = await this.#recordBranch(place, undefined, read);
    // A loop is over every limit, which says nothing new.
    if (!this.#hasLoop) this.#judgeCounts(tree, this.#in(domain));
    return { findings: byWeight(this.#findings), tree };
  }

  #in(domain: string | undefined): Findings {
    return new Findings(domain, this.#findings);
  }

  #givenRecord({ domain }: VisitedRecord, strings: readonly string[]): Result<string> {
    lintTexts([strings], { domain, isPublished: false }, this.#in(domain));
    return { ok: true, value: strings.join('') };
  }

  /** Reads the text of the domain's record, or says why there is none. */
  async #readRecord({ domain, role, by }: VisitedRecord): Promise<Result<string>> {
    const name = domain ?? '';
    const answer = await this.#lookup(name, 'TXT');
    const findings = this.#in(domain);
    const consequence = by === undefined ? 'receivers answer permerror' : `${by.text} is permerror`;
    if (answer.kind === 'failed') {
      findings.error(`the TXT look-up failed (${answer.problem}): receivers answer temperror`, { section: '4.4' });
      return wrong(`look-up failed: ${answer.problem}`);
    }
    const records = answer.kind === 'found' ? answer.records : [];
    const texts = records.map((parts) => parts.join('')).filter(isSpfRecord);
    if (role === 'own') lintTexts(records, { domain, isPublished: true }, findings);
    if (texts.length > 1) {
      findings.error(`there are ${texts.length} SPF records, so ${consequence}: keep one`, { section: '4.5' });
      return wrong(`${texts.length} SPF records`);
    }
    const [text] = texts;
    if (text !== undefined) return { ok: true, value: text };
    if (by === undefined) findings.error('there is no SPF record', { section: '4.5' });
    else
      findings.error(`there is no SPF record, so ${consequence}`, { section: by.kind === 'include' ? '5.2' : '6.1' });
    return wrong(answer.kind === 'void' && answer.why === 'nxdomain' ? 'no such name' : 'no SPF record');
  }

  /** `term` is the one that led here, and counts as a look-up itself. */
  async #recordBranch(place: VisitedRecord, term: string | undefined, read: Result<string>): Promise<LintBranch> {
    const { domain } = place;
    const own = term === undefined ? 0 : 1;
    if (!read.ok) {
      return { term, domain, record: undefined, lookups: own, voids: noVoids, note: read.problem, branches: [] };
    }
    const terms = lintRecord(read.value, place, this.#in(domain));
    const branches: LintBranch[] = [];
    for (const asking of askingTerms(terms)) branches.push(await this.#termBranch(asking, place));
    if (place.role === 'own') await this.#lintExplanation(terms, domain);
    return {
      term,
      domain,
      record: read.value,
      lookups: sum(branches, ({ lookups }) => lookups) + own,
      voids: { ip4: sum(branches, ({ voids }) => voids.ip4), ip6: sum(branches, ({ voids }) => voids.ip6) },
      note: undefined,
      branches,
    };
  }

  async #termBranch(term: LintQuestion, place: VisitedRecord): Promise<LintBranch> {
    const { text, kind } = term;
    if (++this.#terms > maxTerms) return simple(text, { note: 'not counted any further', lookups: 0 });
    if (isNoHostName(term)) return simple(text, { note: 'no domain name' });
    const target = this.#targetOf(term, place);
    if (target === '') {
      const what = kind === 'include' || kind === 'redirect' ? 'is permerror' : 'never matches';
      this.#in(place.domain).error(`${text} names what DNS cannot be asked for, and ${what}`, {
        term: text,
        section: '4.8',
      });
      return simple(text, { note: 'no domain name' });
    }
    if (kind === 'ptr') return simple(text);
    if (target === undefined)
      return simple(text, { note: term.target === undefined ? undefined : 'depends on the mail' });
    if (this.#options.resolver === undefined) {
      return simple(text, { note: kind === 'include' || kind === 'redirect' ? 'not followed' : undefined });
    }
    switch (kind) {
      case 'include':
      case 'redirect':
        return this.#follow({ text, kind, target, from: place.domain }, place);
      case 'a':
        return this.#hostsBranch(text, [target], place);
      case 'mx':
        return this.#mxBranch(text, target, place);
      case 'exists':
        return this.#existsBranch(text, target, { place, isOfMail: term.target?.name === undefined });
      default:
        return simple(text);
    }
  }

  /** Undefined where it depends on the mail, and '' where DNS cannot be asked for it. */
  #targetOf({ target }: LintQuestion, { domain }: VisitedRecord): string | undefined {
    const { mail } = this.#options;
    if (target === undefined) return domain;
    if (target.name !== undefined || mail === undefined || target.macro.usesPtr) return target.name;
    const { localPart, domain: senderDomain } =
      mail.from === '' ? heloIdentity(mail.helo) : mailFromIdentity(mail.from);
    const sender = `${localPart}@${senderDomain}`;
    const values = { ...mail, sender, localPart, senderDomain, receiver: 'unknown', now: () => 0 };
    const text = expandMacro(target.macro, values, { domain: domain ?? '', validated: 'unknown' });
    return text === undefined ? undefined : (fitQueryName(text) ?? '');
  }

  async #follow(following: Following, { domain, role, path, isRepeated }: VisitedRecord): Promise<LintBranch> {
    const { text, kind, target } = following;
    const name = target.toLowerCase();
    if (path.includes(name)) {
      const problem = `${text} leads back to ${target}: a loop, which ends as permerror`;
      this.#in(domain).error(problem, { term: text, section: '4.6.4' });
      this.#hasLoop = true;
      return { ...simple(text, { note: 'a loop' }), domain: target };
    }
    const earlier = this.#followed.get(name);
    if (earlier === undefined) this.#followed.set(name, following);
    else if (!isRepeated) this.#tellRepeated(following, earlier);
    const place: VisitedRecord = {
      domain: target,
      role: kind === 'redirect' ? role : 'included',
      path: [...path, name],
      by: following,
      isRepeated: isRepeated || earlier !== undefined,
    };
    return this.#recordBranch(place, text, await this.#readRecord(place));
  }

  /** Says that a domain is followed for a second time. Where one record includes it twice, `overlaps` has said so. */
  #tellRepeated({ text, target, from }: Following, earlier: Following): void {
    if (earlier.from === from && earlier.kind === 'include') return;
    const where = earlier.from === undefined ? '' : ` in the record of ${earlier.from}`;
    const problem = `${text}: ${target} is followed already by ${earlier.text}${where}, and costs its look-ups again`;
    this.#in(from).warning(problem, { term: text });
  }

  async #mxBranch(text: string, target: string, place: VisitedRecord): Promise<LintBranch> {
    const answer = await this.#lookup(target, 'MX');
    const findings = this.#in(place.domain);
    if (answer.kind === 'failed') return this.#failedBranch(text, `the MX look-up of ${target}`, { answer, place });
    if (answer.kind === 'void') {
      this.#tellVoid(text, `${target} has no MX record`, place);
      return simple(text, { voids: { ip4: 1, ip6: 1 }, note: 'finds nothing' });
    }
    if (answer.records.length > limits.mx) {
      const problem = `${text}: ${target} has ${answer.records.length} MX records; more than ${limits.mx} are permerror`;
      findings.error(problem, { term: text, section: '4.6.4' });
      return simple(text, { note: `${answer.records.length} hosts` });
    }
    const hosts = answer.records.map(({ exchange }: Mx) => withoutFinalDot(exchange)).filter(isQueryName);
    if (hosts.length > 0) return this.#hostsBranch(text, hosts, place);
    findings.warning(`${text}: ${target} takes no mail (null MX), so this matches nothing`, { term: text });
    return simple(text, { note: 'no hosts' });
  }

  /**
   * `a`, or the hosts of an `mx`: each is asked for the addresses of the client's family. However many of them have
   * none, it is one term that finds nothing (RFC 7208 §4.6.4).
   */
  async #hostsBranch(text: string, hosts: readonly string[], place: VisitedRecord): Promise<LintBranch> {
    let [ip4, ip6, addresses] = [0, 0, 0];
    for (const host of hosts) {
      const a = await this.#lookup(host, 'A');
      const aaaa = await this.#lookup(host, 'AAAA');
      const failed = a.kind === 'failed' ? a : aaaa.kind === 'failed' ? aaaa : undefined;
      if (failed) return this.#failedBranch(text, `the address look-up of ${host}`, { answer: failed, place });
      if (a.kind === 'void') ip4 = 1;
      if (aaaa.kind === 'void') ip6 = 1;
      if (a.kind === 'void' && aaaa.kind === 'void') this.#tellVoid(text, `${host} has no address`, place);
      addresses += countOf(a) + countOf(aaaa);
    }
    const note = addresses === 0 ? 'finds nothing' : `${addresses} ${addresses === 1 ? 'address' : 'addresses'}`;
    return simple(text, { voids: { ip4, ip6 }, note });
  }

  async #existsBranch(text: string, target: string, { place, isOfMail }: ExistsPlace): Promise<LintBranch> {
    const answer = await this.#lookup(target, 'A');
    if (answer.kind === 'failed') return this.#failedBranch(text, `the A look-up of ${target}`, { answer, place });
    if (answer.kind === 'void') {
      if (!isOfMail) this.#tellVoid(text, `${target} has no A record`, place);
      const note = isOfMail ? `${target}: no match` : 'finds nothing';
      return simple(text, { voids: { ip4: 1, ip6: 1 }, note });
    }
    if (isOfMail) return simple(text, { note: `${target}: a match` });
    const problem = `${text} holds no macro: it matches every client, or none`;
    this.#in(place.domain).warning(problem, { term: text, section: '5.7' });
    return simple(text, { note: 'matches every client' });
  }

  #tellVoid(text: string, what: string, { domain, role }: VisitedRecord): void {
    if (role === 'own') this.#in(domain).warning(`${text} finds nothing: ${what}`, { term: text, section: '4.6.4' });
  }

  #failedBranch(text: string, what: string, { answer, place }: FailedIn): LintBranch {
    const problem = `${text}: ${what} failed (${answer.problem}): receivers answer temperror`;
    this.#in(place.domain).error(problem, { term: text, section: '5' });
    return simple(text, { note: 'look-up failed' });
  }

  async #lintExplanation(terms: readonly Term[], domain: string | undefined): Promise<void> {
    const exp = terms.find(({ kind }) => kind === 'exp') as TargetModifier | undefined;
    if (!exp?.target.name || isNoHostName(exp) || this.#options.resolver === undefined) return;
    const answer = await this.#lookup(exp.target.name, 'TXT');
    if (answer.kind === 'found' && explainStringIn(answer.records) !== undefined) return;
    const why =
      answer.kind === 'found' ? 'it is not one TXT record of ASCII text with right macros' : 'nothing is found';
    this.#in(domain).warning(`${exp.text} gives no explanation: ${why}`, { term: exp.text, section: '6.2' });
  }

  /** Compares the numbers with the limits of RFC 7208 §4.6.4. */
  #judgeCounts({ lookups, voids }: LintBranch, findings: Findings): void {
    const section = '4.6.4';
    if (lookups > limits.lookups) {
      const count = this.#terms > maxTerms ? `more than ${maxTerms}` : lookups;
      findings.error(
        `${count} terms ask DNS, and more than ${limits.lookups} are permerror: leave out includes, or write a and mx as ip4 and ip6`,
        { section },
      );
    } else if (lookups >= nearlyTooMany) {
      findings.warning(
        `${lookups} terms ask DNS of ${limits.lookups} allowed: an included domain that adds one can break this`,
        { section },
      );
    }
    const told = (family: string, count: number): string =>
      `${count} terms find nothing for an ${family} client, and more than ${limits.voids} are permerror: leave them out`;
    if (voids.ip4 > limits.voids) findings.error(told('IPv4', voids.ip4), { section });
    if (voids.ip6 > limits.voids) findings.warning(told('IPv6', voids.ip6), { section });
  }

  async #lookup<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<RecordData[T]>> {
    const { resolver, signal } = this.#options;
    if (signal?.aborted) return { kind: 'failed', problem: 'out of time' };
    if (resolver === undefined) return { kind: 'failed', problem: 'nobody to ask' };
    return resolver.lookup(name, type, signal && { signal });
  }
}

interface Following {
  readonly text: string;
  readonly kind: 'include' | 'redirect';
  readonly target: string;
  /** The domain in whose record the term stands. */
  readonly from: string | undefined;
}

interface ExistsPlace {
  readonly place: VisitedRecord;
  /** Are there macros in the name? */
  readonly isOfMail: boolean;
}

interface FailedIn {
  readonly answer: Extract<DnsAnswer<unknown>, { kind: 'failed' }>;
  readonly place: VisitedRecord;
}

/** Our choice: from so many look-ups on, the operator is warned that the limit is near. */
const nearlyTooMany = 8;
const noVoids: VoidCount = { ip4: 0, ip6: 0 };

/** Selects the terms that ask DNS, in the order of their evaluation. */
function askingTerms(terms: readonly Term[]): readonly LintQuestion[] {
  const redirect = followedRedirect(terms);
  const directives = evaluated(terms).filter(
    (term) => term.kind !== 'all' && term.kind !== 'ip4' && term.kind !== 'ip6',
  );
  return redirect === undefined ? directives : [...directives, redirect];
}

function simple(term: string, details: Partial<Pick<LintBranch, 'lookups' | 'voids' | 'note'>> = {}): LintBranch {
  return {
    term,
    domain: undefined,
    record: undefined,
    lookups: 1,
    voids: noVoids,
    note: undefined,
    branches: [],
    ...details,
  };
}

const countOf = (answer: DnsAnswer<Ip>): number => (answer.kind === 'found' ? answer.records.length : 0);

const sum = <T>(list: readonly T[], of: (one: T) => number): number => list.reduce((all, one) => all + of(one), 0);

/** Puts errors first; the rest stays in the order in which it was found. */
const byWeight = (findings: readonly Finding[]): readonly Finding[] => [
  ...findings.filter(({ severity }) => severity === 'error'),
  ...findings.filter(({ severity }) => severity === 'warning'),
];
