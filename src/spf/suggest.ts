/**
 * What a domain could publish: from its MX and what its owner names as sending its mail. It asks DNS whether a name is
 * to be included or has addresses, and leaves it to `lint` to judge the record.
 */
import { type Network } from '../mail/ip.js';
import { type Result, wrong } from '../mail/result.js';
import type { DnsAnswer, RecordData, RecordType, Resolver } from '../dns/resolver.js';
import { isQueryName, isWithin, withoutFinalDot } from './domain.js';
import { aggregate, networkTerm } from './flatten/networks.js';
import { selectRecord } from './read-answer.js';

/** What sends mail of the domain: addresses, or a name that is a provider's or a host's. */
export type MailSource =
  { readonly kind: 'network'; readonly network: Network } | { readonly kind: 'name'; readonly name: string };

export interface SuggestionWish {
  readonly domain: string;
  readonly senders: readonly MailSource[];
  /** How the record ends: `-all`, `~all` or `?all`; undefined lets the suggestion choose. */
  readonly end: string | undefined;
}

export interface SuggestedTerm {
  readonly term: string;
  /** A clause. */
  readonly why: string;
}

export interface Suggestion {
  readonly record: string;
  readonly terms: readonly SuggestedTerm[];
  /** The SPF record that is there. */
  readonly published: string | undefined;
  /** Own MX hosts that have no record, for their HELO names (RFC 7208 §2.3), and the record each could have. */
  readonly hosts: readonly { readonly name: string; readonly text: string }[];
  /** Sentences without a full stop. */
  readonly notes: readonly string[];
}

export interface SuggestOptions {
  readonly resolver: Resolver;
  /** Once it is aborted, look-ups fail. */
  readonly signal?: AbortSignal;
}

/** The problem: a name that is of no use, or DNS that does not answer. */
export interface SuggestProblem {
  readonly isTemporary: boolean;
  readonly text: string;
}

export function suggest(wish: SuggestionWish, options: SuggestOptions): Promise<Result<Suggestion, SuggestProblem>> {
  return new Suggesting(wish, options).run();
}

/**
 * Where the MX of a domain says whose customer it is: the domain of the hosts, and what their manuals say to include.
 * What is included is asked for, so that a provider that has changed its mind shows at once.
 */
const providers: Readonly<Record<string, string>> = {
  'google.com': '_spf.google.com',
  'googlemail.com': '_spf.google.com',
  'mail.protection.outlook.com': 'spf.protection.outlook.com',
  'mx.microsoft': 'spf.protection.outlook.com',
  'messagingengine.com': 'spf.messagingengine.com',
  'protonmail.ch': '_spf.protonmail.ch',
  'mailbox.org': 'mailbox.org',
  'mx.yandex.net': '_spf.yandex.net',
};

/** Hosts that are looked at for a record of their own. */
const maxHosts = 10;

class Suggesting {
  readonly #wish: SuggestionWish;
  readonly #options: SuggestOptions;
  readonly #notes: string[] = [];
  /** The first; nothing is asked any more once there is one. */
  #problem: SuggestProblem | undefined = undefined;

  constructor(wish: SuggestionWish, options: SuggestOptions) {
    this.#wish = wish;
    this.#options = options;
  }

  async run(): Promise<Result<Suggestion, SuggestProblem>> {
    const { domain, senders } = this.#wish;
    const published = await this.#recordOf(domain);
    const mailHosts = (await this.#lookup(domain, 'MX'))
      .map(({ exchange }) => withoutFinalDot(exchange).toLowerCase())
      .filter(isQueryName);
    const networks = senders.flatMap((sender) => (sender.kind === 'network' ? [sender.network] : []));
    const names = [
      ...new Set(senders.flatMap((sender) => (sender.kind === 'name' ? [sender.name.toLowerCase()] : []))),
    ];
    const terms = [
      ...aggregate(networks).map((network): SuggestedTerm => ({ term: networkTerm(network), why: 'as given' })),
      ...(await this.#termsOfMx(mailHosts)),
      ...(await this.#termsOfNames(names)),
    ].filter(({ term }, i, all) => all.findIndex((other) => other.term === term) === i);
    const end = this.#endOf(terms);
    const hosts = await this.#hostsWithoutRecord(mailHosts.filter((host) => isWithin(host, domain) && host !== domain));
    if (this.#problem !== undefined) return wrong(this.#problem);
    const record = ['v=spf1', ...[...terms, end].map(({ term }) => term)].join(' ');
    return { ok: true, value: { record, terms: [...terms, end], published, hosts, notes: this.#notes } };
  }

  async #termsOfMx(hosts: readonly string[]): Promise<readonly SuggestedTerm[]> {
    const { domain } = this.#wish;
    const own = hosts.filter((host) => isWithin(host, domain));
    const others = hosts.filter((host) => !isWithin(host, domain));
    const includes = new Set<string>();
    const unknown: string[] = [];
    for (const host of others) {
      const provider = Object.keys(providers).find((name) => isWithin(host, name));
      const include = provider === undefined ? undefined : providers[provider];
      if (include !== undefined && (await this.#recordOf(include)) !== undefined) includes.add(include);
      else unknown.push(host);
    }
    const includeTerms = [...includes].map((name): SuggestedTerm => ({
      term: `include:${name}`,
      why: 'the provider that takes the mail, by its MX',
    }));
    if (own.length === 0 && unknown.length === 0) return includeTerms;
    const hostsOfTerm = [...own, ...unknown];
    if (own.length === 0) {
      this.#notes.push(`${unknown.join(', ')} takes the mail: keep mx only if it sends mail as well`);
    }
    const more = hostsOfTerm.length > 3 ? ` and ${hostsOfTerm.length - 3} more` : '';
    return [{ term: 'mx', why: `what takes the mail: ${hostsOfTerm.slice(0, 3).join(', ')}${more}` }, ...includeTerms];
  }

  async #termsOfNames(names: readonly string[]): Promise<readonly SuggestedTerm[]> {
    const terms: SuggestedTerm[] = [];
    for (const name of names) {
      if ((await this.#recordOf(name)) !== undefined && name !== this.#wish.domain.toLowerCase()) {
        terms.push({ term: `include:${name}`, why: 'it has an SPF record' });
        continue;
      }
      const addresses = [...(await this.#lookup(name, 'A')), ...(await this.#lookup(name, 'AAAA'))];
      if (addresses.length === 0) this.#giveUp(`${name} has neither an SPF record nor an address`);
      terms.push({ term: `a:${name}`, why: `its addresses: ${addresses.map(({ text }) => text).join(', ')}` });
    }
    return terms;
  }

  #endOf(terms: readonly SuggestedTerm[]): SuggestedTerm {
    const { domain, end } = this.#wish;
    if (terms.length === 0) {
      this.#notes.push(`${domain} takes no mail and nothing was named that sends it: it says that none is its own`);
      return { term: end ?? '-all', why: 'no host sends its mail' };
    }
    if (end !== undefined) return { term: end, why: 'as given' };
    return { term: '~all', why: 'all others are suspect; end with -all once the list is sure to be whole' };
  }

  async #hostsWithoutRecord(hosts: readonly string[]): Promise<Suggestion['hosts']> {
    const found: { readonly name: string; readonly text: string }[] = [];
    for (const name of hosts.slice(0, maxHosts))
      if ((await this.#recordOf(name)) === undefined) found.push({ name, text: 'v=spf1 a -all' });
    return found;
  }

  /** Undefined where there is none, or several. */
  async #recordOf(name: string): Promise<string | undefined> {
    const selected = selectRecord(await this.#lookup(name, 'TXT'));
    return selected.kind === 'one' ? selected.text : undefined;
  }

  #giveUp(text: string, isTemporary = false): void {
    this.#problem ??= { isTemporary, text };
  }

  async #lookup<T extends RecordType>(name: string, type: T): Promise<readonly RecordData[T][]> {
    const { resolver, signal } = this.#options;
    if (this.#problem !== undefined) return [];
    const answer: DnsAnswer<RecordData[T]> = signal?.aborted
      ? { kind: 'failed', problem: 'out of time' }
      : await resolver.lookup(name, type, signal && { signal });
    if (answer.kind === 'failed') this.#giveUp(`the ${type} look-up of ${name} failed: ${answer.problem}`, true);
    return answer.kind === 'found' ? answer.records : [];
  }
}
