/**
 * Who is meant by an entry of a skip list: `example.com`, `.example.com` (what is below it, not itself), or
 * `user@example.com`. The local-part is compared without case: our choice, and spf-milter's, against RFC 5321 §2.4.
 */
import { parseDomain } from '../../mail/domain.js';

export interface SenderPattern {
  /** In lower case; undefined means any local-part. */
  readonly localPart: string | undefined;
  /** Lower-case A-labels. */
  readonly domain: string;
  /** Names below the domain match, the domain itself does not. */
  readonly below: boolean;
}

export function parseSenderPattern(text: string): SenderPattern | undefined {
  const at = text.lastIndexOf('@');
  const below = at < 0 && text.startsWith('.');
  const domain = domainOf(below ? text.slice(1) : text.slice(at + 1));
  if (domain === undefined) return undefined;
  return { localPart: at < 0 ? undefined : text.slice(0, at).toLowerCase(), domain, below };
}

/** Reads back to an equal pattern. */
export const writeSenderPattern = ({ localPart, domain, below }: SenderPattern): string =>
  `${below ? '.' : ''}${localPart === undefined ? '' : `${localPart}@`}${domain}`;

const domainOf = (text: string): string | undefined => parseDomain(text.replace(/\.$/, ''));

/** `identity` is an address or a bare name; nothing that is no valid domain matches. */
export function matchesAny(patterns: readonly SenderPattern[], identity: string): boolean {
  if (patterns.length === 0) return false;
  const at = identity.lastIndexOf('@');
  const domain = domainOf(identity.slice(at + 1));
  if (domain === undefined) return false;
  const localPart = at < 0 ? undefined : identity.slice(0, at).toLowerCase();
  return patterns.some((pattern) => matches(pattern, { localPart, domain }));
}

function matches(pattern: SenderPattern, { localPart, domain }: Pick<SenderPattern, 'localPart' | 'domain'>): boolean {
  if (pattern.localPart !== undefined && pattern.localPart !== localPart) return false;
  return pattern.below ? domain.endsWith(`.${pattern.domain}`) : domain === pattern.domain;
}
