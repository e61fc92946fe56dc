/**
 * DMARC (RFC 7489) for one domain of a From: field, given what SPF and DKIM found. npm mailauth finds the record and
 * the organizational domain; strict alignment is judged here, for mailauth 4.13 takes it for relaxed.
 */
import type { Resolver } from '../dns/resolver.js';
import { mailauthDns } from './mailauth-dns.js';

export type DmarcPolicy = 'none' | 'quarantine' | 'reject';

export type DmarcOutcome =
  | { readonly result: 'none' }
  | { readonly result: 'temperror'; readonly problem: string }
  | {
      readonly result: 'pass' | 'fail';
      /** That of the domain, or of its organizational domain for subdomains. */
      readonly policy: DmarcPolicy;
      /** To how many mails of a hundred the policy is to be applied. */
      readonly percent: number;
    };

export interface DmarcInput {
  /** Lower-case A-labels. */
  readonly from: string;
  /** The domain that passed SPF, where one did. */
  readonly spf: string | undefined;
  /** Domains whose signatures passed. */
  readonly dkim: readonly string[];
  readonly dns: Resolver;
  readonly dnsMs: number;
}

export async function evaluateDmarc({ from, spf, dkim, dns, dnsMs }: DmarcInput): Promise<DmarcOutcome> {
  const { dmarc } = await import('mailauth/lib/dmarc/index.js');
  const found = (await dmarc({
    headerFrom: `x@${from}`,
    spfDomains: spf === undefined ? [] : [spf],
    dkimDomains: dkim.map((domain) => ({ domain })),
    resolver: mailauthDns(dns, dnsMs),
  })) as MailauthDmarc | false;
  if (!found || found.status.result === 'none') return { result: 'none' };
  if (found.status.result === 'temperror') return { result: 'temperror', problem: found.error ?? 'DNS failure' };
  const bySpf = found.alignment?.spf;
  const byDkim = found.alignment?.dkim;
  const isAligned =
    (bySpf?.strict ? spf === from : Boolean(bySpf?.result)) ||
    (byDkim?.strict ? dkim.includes(from) : Boolean(byDkim?.result));
  return { result: isAligned ? 'pass' : 'fail', policy: policyOf(found.policy), percent: percentOf(found.pct) };
}

/** What mailauth answers, as far as it is used here. */
interface MailauthDmarc {
  readonly status: { readonly result: string };
  readonly error?: string;
  readonly policy?: unknown;
  readonly pct?: number;
  readonly alignment?: { readonly spf: Alignment; readonly dkim: Alignment };
}

interface Alignment {
  readonly result?: string;
  readonly strict: boolean;
}

/** RFC 7489 §6.6.3: a policy that is none counts as none. */
function policyOf(policy: unknown): DmarcPolicy {
  const word = typeof policy === 'string' ? policy.trim().toLowerCase() : '';
  return word === 'reject' || word === 'quarantine' ? word : 'none';
}

const percentOf = (percent: number | undefined): number =>
  percent === undefined || percent < 0 || percent > 100 ? 100 : percent;
