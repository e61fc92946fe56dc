/** The domains that a mail says to be from, in its From: field; no plugin itself. */
import type { Mail } from '../../src/hooks/check.js';
import { parseDomain } from '../../src/mail/domain.js';
import { addressesOf } from '../../src/mail/mailboxes.js';
import { decodeUtf8 } from '../../src/mail/text.js';

/** Addresses looked at; RFC 5322 §3.6.2 allows several, and hardly anybody writes more than one. */
const mostAddresses = 100;

export interface FromDomains {
  /** Each once, as A-labels, of all From: fields. */
  readonly domains: readonly string[];
  /** There is exactly one field (RFC 5322 §3.6), so a signature that covers From: covers what readers show. */
  readonly isOneField: boolean;
}

export function fromDomainsOf({ header }: Pick<Mail, 'header'>): FromDomains {
  const fields = header.all('from');
  const addresses = fields.flatMap(addressesOf).slice(0, mostAddresses);
  const domains = addresses.flatMap((address) => domainOf(address) ?? []);
  return { domains: [...new Set(domains)], isOneField: fields.length === 1 };
}

/** Internationalized domains stand in the field as UTF-8 (RFC 6532). */
function domainOf(address: string): string | undefined {
  const text = decodeUtf8(Buffer.from(address, 'latin1')) ?? address;
  const at = text.lastIndexOf('@');
  return at < 0
    ? undefined
    : parseDomain(
        text
          .slice(at + 1)
          .trim()
          .replace(/\.$/, ''),
      );
}
