/**
 * DKIM signatures (RFC 6376) and ARC chains (RFC 8617) of a message, verified by npm mailauth with our resolver.
 * mailauth is loaded when the first mail needs it. Where it is more lenient than the RFCs, this is not: a signature
 * counts only if it covers the From: field (RFC 6376 §5.4) and the whole body (§8.2: what l= leaves out, anybody may
 * have added).
 */
import { Readable } from 'node:stream';
import type { Resolver } from '../dns/resolver.js';
import { parseDomain } from '../mail/domain.js';
import type { Header } from '../mail/header.js';
import type { MessageSource } from '../mail/message.js';
import { mailauthDns } from './mailauth-dns.js';
import { screen, type Tags, tagsOf, TooLong, type UnreadSignature } from './screened.js';

/** RFC 8601 §2.7.1, §2.7.2. */
export type SignatureResult = 'pass' | 'fail' | 'policy' | 'neutral' | 'temperror' | 'permerror';

export interface Signature {
  readonly result: SignatureResult;
  /** d=, lower-case A-labels; '' where it is no domain. */
  readonly domain: string;
  readonly selector: string;
  /** Why it did not pass. */
  readonly why: string | undefined;
}

export interface ArcChain {
  readonly result: 'pass' | 'fail';
  /** The number of sets that it claims to have. */
  readonly length: number;
  readonly why: string | undefined;
}

export interface Signatures {
  /** Newest first; empty: the message is not signed. */
  readonly dkim: readonly Signature[];
  readonly arc: ArcChain | undefined;
}

/** Shorter keys are not believed (RFC 8301 §3.2). */
const minKeyBits = 1024;

export interface VerifyInput {
  readonly message: MessageSource;
  readonly header: Header;
  readonly dns: Resolver;
  /** For all DNS questions together. */
  readonly dnsMs: number;
}

/** Rejects where the message itself cannot be read (broken IO). */
export async function verifySignatures({ message, header, dns, dnsMs }: VerifyInput): Promise<Signatures> {
  const isSigned = ['dkim-signature', 'arc-seal', 'arc-message-signature'].some(
    (name) => header.get(name) !== undefined,
  );
  if (!isSigned) return { dkim: [], arc: undefined };
  const screened = await screen(message, header);
  if (screened.kind === 'over the limits') return unverifiable(screened.why);
  const resolver = mailauthDns(dns, dnsMs);
  const [{ dkimVerify }, { arc }] = await Promise.all([
    import('mailauth/lib/dkim/verify.js'),
    import('mailauth/lib/arc/index.js'),
  ]);
  try {
    const input = Readable.from(screened.octets(), { objectMode: false });
    const verified = await dkimVerify(input, { resolver, minBitLength: minKeyBits, sender: 'unused@unused.invalid' });
    const dkim = verified.results.flatMap((one) => signatureOf(one as unknown as MailauthSignature, screened.read));
    const chain = verified.arc as unknown as Parameters<typeof arc>[0] | undefined;
    const isChain = chain !== undefined && ((chain.chain as unknown) !== false || chain.error !== undefined);
    return {
      dkim: [...dkim, ...screened.unread.map(unreadSignature)],
      arc: screened.isChainUnread
        ? unreadChain
        : isChain
          ? arcOf(await arc(chain, { resolver, minBitLength: minKeyBits }))
          : undefined,
    };
  } catch (error) {
    if (error instanceof TooLong) return unverifiable(error.message);
    throw error;
  }
}

const unreadChain: ArcChain = { result: 'fail', length: 0, why: 'malformed, or too large' };

const unverifiable = (why: string): Signatures => ({
  dkim: [{ result: 'policy', domain: '', selector: '', why }],
  arc: undefined,
});

const unreadSignature = (unread: UnreadSignature): Signature => ({
  ...unread,
  domain: parseDomain(unread.domain) ?? '',
});

/** What mailauth says of a signature, as far as it is used here. */
interface MailauthSignature {
  readonly signingDomain?: string;
  readonly selector?: string;
  readonly signingHeaders?: { readonly keys: string };
  /** b=, without white space. */
  readonly signature?: string;
  /** The key record. */
  readonly rr?: string;
  readonly status: { readonly result: string; readonly comment?: string | false };
}

function signatureOf(found: MailauthSignature, read: readonly Tags[]): Signature[] {
  const { signingDomain, selector = '', signingHeaders, status } = found;
  if (status.result === 'none') return [];
  const domain = parseDomain(signingDomain ?? '') ?? '';
  const why = status.comment || undefined;
  const signed = (signingHeaders?.keys ?? '').toLowerCase().split(': ');
  const covered = status.result !== 'pass' || (domain !== '' && signed.includes('from'));
  if (!covered) return [{ result: 'permerror', domain, selector, why: 'does not sign the From: field' }];
  if (status.result === 'pass' && isForAnotherDomain(found, domain, read))
    return [{ result: 'permerror', domain, selector, why: 'i= is a subdomain, which the key forbids (t=s)' }];
  return [{ result: resultOf(status.result, why), domain, selector, why }];
}

/** RFC 6376 §3.6.1: a key with t=s is for identities (i=) of the signing domain itself, not of subdomains. */
function isForAnotherDomain({ rr = '', signature }: MailauthSignature, domain: string, read: readonly Tags[]): boolean {
  const flags = tagsOf(rr)?.get('t')?.split(':') ?? [];
  if (!flags.includes('s')) return false;
  const identities = read.filter((tags) => tags.get('b') === signature).map((tags) => tags.get('i') ?? '');
  return identities.some((identity) => identity !== '' && parseDomain(identity.replace(/^.*@/, '')) !== domain);
}

/** mailauth says neutral of much that has a better word (RFC 6376 §6.1, RFC 8601 §2.7.1). */
function resultOf(result: string, why: string | undefined): SignatureResult {
  if (why === 'body hash did not verify') return 'fail';
  if (why === 'no key' || why === 'invalid public key' || why?.startsWith('unknown key') === true) return 'permerror';
  return isResult(result) ? result : 'neutral';
}

const isResult = (result: string): result is SignatureResult =>
  ['pass', 'fail', 'policy', 'neutral', 'temperror', 'permerror'].includes(result);

function arcOf({ status, i }: { status: { result: string; comment?: string }; i: number | false }): ArcChain {
  const why = status.result === 'pass' ? undefined : (status.comment ?? 'no valid seal');
  return { result: status.result === 'pass' ? 'pass' : 'fail', length: typeof i === 'number' ? i : 0, why };
}
