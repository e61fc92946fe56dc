/**
 * What `a`, `mx`, `exists` and `exp` find in DNS, for a client of either family. Where `include` and `redirect` lead is
 * the business of lint.ts.
 */
import type { Ip } from '../../mail/ip.js';
import type { DnsAnswer, Mx, RecordType, RecordData, Resolver } from '../../dns/resolver.js';
import { isQueryName, withoutFinalDot } from '../domain.js';
import { explainStringIn } from '../explain.js';
import { defaultLimits as limits } from '../limits.js';
import type { TargetModifier, Term } from '../record.js';
import { type LintBranch, simple } from './branch.js';
import { type Finding, Findings } from './finding.js';
import type { RecordPlace } from './record-text.js';
import { isNoHostName } from './remedy.js';

export interface LintDns {
  /** Where it is undefined nothing is asked, and only the record itself is judged. */
  readonly resolver: Resolver | undefined;
  /** Once it is aborted, look-ups fail. */
  readonly signal?: AbortSignal;
}

export class TermLookups {
  readonly #dns: LintDns;
  readonly #findings: Finding[];

  /** What is found out is added to the findings. */
  constructor(dns: LintDns, findings: Finding[]) {
    this.#dns = dns;
    this.#findings = findings;
  }

  #in({ domain }: RecordPlace): Findings {
    return new Findings(domain, this.#findings);
  }

  async lookup<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<RecordData[T]>> {
    const { resolver, signal } = this.#dns;
    if (signal?.aborted) return { kind: 'failed', problem: 'out of time' };
    if (resolver === undefined) return { kind: 'failed', problem: 'nobody to ask' };
    return resolver.lookup(name, type, signal && { signal });
  }

  async mx(text: string, target: string, place: RecordPlace): Promise<LintBranch> {
    const answer = await this.lookup(target, 'MX');
    if (answer.kind === 'failed') return this.#failedBranch(text, `the MX look-up of ${target}`, { answer, place });
    if (answer.kind === 'void') {
      this.#tellVoid(text, `${target} has no MX record`, place);
      return simple(text, { voids: { ip4: 1, ip6: 1 }, note: 'finds nothing' });
    }
    if (answer.records.length > limits.mx) {
      const { length } = answer.records;
      const problem = `${text}: ${target} has ${length} MX records; more than ${limits.mx} are permerror`;
      this.#in(place).error(problem, { term: text, section: '4.6.4' });
      return simple(text, { note: `${length} hosts` });
    }
    const hosts = answer.records.map(({ exchange }: Mx) => withoutFinalDot(exchange)).filter(isQueryName);
    if (hosts.length > 0) return this.hosts(text, hosts, place);
    this.#in(place).warning(`${text}: ${target} takes no mail (null MX), so this matches nothing`, { term: text });
    return simple(text, { note: 'no hosts' });
  }

  /**
   * `a`, or the hosts of an `mx`: each is asked for the addresses of the client's family. However many of them have
   * none, it is one term that finds nothing (RFC 7208 §4.6.4).
   */
  async hosts(text: string, hosts: readonly string[], place: RecordPlace): Promise<LintBranch> {
    let [ip4, ip6, addresses] = [0, 0, 0];
    for (const host of hosts) {
      const a = await this.lookup(host, 'A');
      const aaaa = await this.lookup(host, 'AAAA');
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

  async exists(text: string, target: string, { place, isOfMail }: ExistsPlace): Promise<LintBranch> {
    const answer = await this.lookup(target, 'A');
    if (answer.kind === 'failed') return this.#failedBranch(text, `the A look-up of ${target}`, { answer, place });
    if (answer.kind === 'void') {
      if (!isOfMail) this.#tellVoid(text, `${target} has no A record`, place);
      const note = isOfMail ? `${target}: no match` : 'finds nothing';
      return simple(text, { voids: { ip4: 1, ip6: 1 }, note });
    }
    if (isOfMail) return simple(text, { note: `${target}: a match` });
    const problem = `${text} holds no macro: it matches every client, or none`;
    this.#in(place).warning(problem, { term: text, section: '5.7' });
    return simple(text, { note: 'matches every client' });
  }

  #tellVoid(text: string, what: string, place: RecordPlace): void {
    if (place.role === 'own')
      this.#in(place).warning(`${text} finds nothing: ${what}`, { term: text, section: '4.6.4' });
  }

  #failedBranch(text: string, what: string, { answer, place }: FailedIn): LintBranch {
    const problem = `${text}: ${what} failed (${answer.problem}): receivers answer temperror`;
    this.#in(place).error(problem, { term: text, section: '5' });
    return simple(text, { note: 'look-up failed' });
  }

  async explanation(terms: readonly Term[], place: RecordPlace): Promise<void> {
    const exp = terms.find(({ kind }) => kind === 'exp') as TargetModifier | undefined;
    if (!exp?.target.name || isNoHostName(exp) || this.#dns.resolver === undefined) return;
    const answer = await this.lookup(exp.target.name, 'TXT');
    if (answer.kind === 'found' && explainStringIn(answer.records) !== undefined) return;
    const why =
      answer.kind === 'found' ? 'it is not one TXT record of ASCII text with right macros' : 'nothing is found';
    this.#in(place).warning(`${exp.text} gives no explanation: ${why}`, { term: exp.text, section: '6.2' });
  }
}

interface ExistsPlace {
  readonly place: RecordPlace;
  /** Are there macros in the name? */
  readonly isOfMail: boolean;
}

interface FailedIn {
  readonly answer: Extract<DnsAnswer<unknown>, { kind: 'failed' }>;
  readonly place: RecordPlace;
}

const countOf = (answer: DnsAnswer<Ip>): number => (answer.kind === 'found' ? answer.records.length : 0);
