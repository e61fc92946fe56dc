/**
 * The client's name: forward-confirmed reverse DNS, "iprev" of RFC 8601 §3.
 *
 * A name is only ever a host name (RFC 1123 §2.1, underscores allowed since they are used), so whoever writes
 * it into a log, a header or a path need not fear its octets.
 */
import { reverseName, type Ip } from '../mail/ip.js';
import { deadline } from './deadline.js';
import type { LookupOptions, Resolver } from './resolver.js';

/**
 * confirmed: one of the address's names has the address. unconfirmed: none has, or could be asked; the first is given.
 * none: no reverse name that is a host name. failed: the reverse name could not be asked for.
 */
export type ClientName =
  | { readonly kind: 'confirmed'; readonly name: string }
  | { readonly kind: 'unconfirmed'; readonly name: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly problem: string };

export interface ClientNameOptions {
  /** Milliseconds for all questions together; 10,000 by default. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Our choice: as many as SPF's ptr may look at (RFC 7208 §5.5). */
const maxNames = 10;

/** Where several names are confirmed, the first of the answer wins. Never rejects as long as the resolver does not. */
export async function clientName(resolver: Resolver, ip: Ip, options: ClientNameOptions = {}): Promise<ClientName> {
  const limit = deadline(options.timeoutMs ?? 10_000, options.signal);
  try {
    return await confirm(resolver, ip, limit);
  } finally {
    limit.end();
  }
}

async function confirm(resolver: Resolver, ip: Ip, limit: LookupOptions): Promise<ClientName> {
  const reverse = await resolver.lookup(reverseName(ip), 'PTR', limit);
  if (reverse.kind === 'failed') return reverse;
  const names = reverse.kind === 'found' ? hostNames(reverse.records) : [];
  // All at once: a name whose servers are dead must not use up the time of the others.
  const asked = names.map(async (name) => ((await hasAddress(resolver, { name, ip, limit })) ? name : undefined));
  for (const answer of asked) {
    const name = await answer;
    if (name !== undefined) return { kind: 'confirmed', name };
  }
  return names[0] === undefined ? { kind: 'none' } : { kind: 'unconfirmed', name: names[0] };
}

async function hasAddress(
  resolver: Resolver,
  { name, ip, limit }: { name: string; ip: Ip; limit: LookupOptions },
): Promise<boolean> {
  const answer = await resolver.lookup(name, ip.family === 4 ? 'A' : 'AAAA', limit);
  return answer.kind === 'found' && answer.records.some(({ text }) => text === ip.text);
}

function hostNames(records: readonly string[]): readonly string[] {
  const names = records.slice(0, maxNames).map((name) => name.replace(/\.$/, '').toLowerCase());
  return [...new Set(names.filter(isHostName))];
}

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Lower-case letters, digits, hyphens and underscores; not what could be an IPv4 address (RFC 1123 §2.1). */
function isHostName(name: string): boolean {
  const labels = name.split('.');
  return (
    name.length <= 253 && labels.every((part) => label.test(part)) && !/^\d+$/.test(labels[labels.length - 1] ?? '')
  );
}
