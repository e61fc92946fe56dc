/** The domains that a mail says to be from, in its From: field; no plugin itself. */
import type { Mail } from '../../src/hooks/check.js';
import { parseDomain } from '../../src/mail/domain.js';
import { addressesOf, areReadable } from '../../src/mail/mailboxes.js';
import { decodeUtf8 } from '../../src/mail/text.js';

export interface FromDomains {
  /** Each once, as A-labels, of all From: fields. */
  readonly domains: readonly string[];
  /** There is exactly one field (RFC 5322 §3.6), so a signature that covers From: covers what readers show. */
  readonly isOneField: boolean;
  /** It is false where From: is so large that nobody knows what a reader shows of it. */
  readonly isReadable: boolean;
}

export function fromDomainsOf({ header }: Pick<Mail, 'header'>): FromDomains {
  const fields = header.all('from');
  const isReadable = areReadable(fields);
  const addresses = isReadable ? fields.flatMap(addressesOf) : [];
  const domains = addresses.flatMap((address) => domainOf(address) ?? []);
  return { domains: [...new Set(domains)], isOneField: fields.length === 1, isReadable };
}

/**
 * Internationalized domains stand in the field as UTF-8 (RFC 6532). White space inside an address is obsolete, not
 * forbidden (RFC 5322 §4.4), and readers pass over it, and over control characters.
 */
function domainOf(address: string): string | undefined {
  const text = decodeUtf8(Buffer.from(address, 'latin1')) ?? address;
  const at = text.lastIndexOf('@');
  const domain = text.slice(at + 1).replace(/[\s\p{Cc}]/gu, '');
  return at < 0 ? undefined : parseDomain(domain.replace(/\.$/, ''));
}
