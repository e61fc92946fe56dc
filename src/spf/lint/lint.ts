/**
 * What is wrong or unwise in a domain's SPF: its records, and all that they include and redirect to. Look-ups are
 * counted as for a client that no term matches, branch by branch, so that it shows where they are spent. Never
 * throws, and asks DNS for no more than `maxTerms` terms. Leaves the text of a record to record-text, and what other
 * terms find in DNS to term-lookups.
 */
import type { Ip } from '../../mail/ip.js';
import { type Result, wrong } from '../../mail/result.js';
import { fitQueryName } from '../domain.js';
import { heloIdentity, mailFromIdentity } from '../identity.js';
import { expandMacro } from '../macro.js';
import { judgeCounts, type LintBranch, maxTerms, noVoids, simple } from './branch.js';
import { type Finding, Findings } from './finding.js';
import { isNoHostName } from './remedy.js';
import { evaluated, followedRedirect, lintRecord, type Role } from './record-text.js';
import { type LintDns, TermLookups } from './term-lookups.js';
import { lintTexts } from './txt-records.js';
import { isSpfRecord } from '../parse.js';
import type { Directive, TargetModifier, Term } from '../record.js';

export type { LintBranch } from './branch.js';
export type { Finding } from './finding.js';

export interface LintOptions extends LintDns {
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

export interface LintReport {
  readonly findings: readonly Finding[];
  readonly tree: LintBranch;
}

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
  readonly #dns: TermLookups;
  #hasLoop = false;
  /** How many terms have asked DNS so far. */
  #terms = 0;
  /** By domain, in lower case: the term that was the first to include it or to redirect to it. */
  readonly #followed = new Map<string, Following>();

  constructor(options: LintOptions) {
    this.#options = options;
    this.#dns = new TermLookups(options, this.#findings);
  }

  async run({ domain, strings }: LintSubject): Promise<LintReport> {
    const path = domain === undefined ? [] : [domain.toLowerCase()];
    const place: VisitedRecord = { domain, role: 'own', path, by: undefined, isRepeated: false };
    const read = strings === undefined ? await this.#readRecord(place) : this.#givenRecord(place, strings);
    const tree = await this.#recordBranch(place, undefined, read);
    // A loop is over every limit, which says nothing new.
    if (!this.#hasLoop) judgeCounts(tree, this.#terms, this.#in(domain));
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
    const answer = await this.#dns.lookup(name, 'TXT');
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
    if (place.role === 'own') await this.#dns.explanation(terms, place);
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
        return this.#dns.hosts(text, [target], place);
      case 'mx':
        return this.#dns.mx(text, target, place);
      case 'exists':
        return this.#dns.exists(text, target, { place, isOfMail: term.target?.name === undefined });
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
}

interface Following {
  readonly text: string;
  readonly kind: 'include' | 'redirect';
  readonly target: string;
  /** The domain in whose record the term stands. */
  readonly from: string | undefined;
}

/** Selects the terms that ask DNS, in the order of their evaluation. */
function askingTerms(terms: readonly Term[]): readonly LintQuestion[] {
  const redirect = followedRedirect(terms);
  const directives = evaluated(terms).filter(
    (term) => term.kind !== 'all' && term.kind !== 'ip4' && term.kind !== 'ip6',
  );
  return redirect === undefined ? directives : [...directives, redirect];
}

const sum = <T>(list: readonly T[], of: (one: T) => number): number => list.reduce((all, one) => all + of(one), 0);

/** Puts errors first; the rest stays in the order in which it was found. */
const byWeight = (findings: readonly Finding[]): readonly Finding[] => [
  ...findings.filter(({ severity }) => severity === 'error'),
  ...findings.filter(({ severity }) => severity === 'warning'),
];
