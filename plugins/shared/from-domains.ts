/** The domains that a mail says to be from, in its From: field; no plugin itself. */
import type { Mail } from '../../src/hooks/check.js';
import { parseDomain } from '../../src/mail/domain.js';
import { decodeField } from '../../src/mail/encoded-word.js';
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

/** More are no proper mail: each is a question to the DNS. */
const maxDomains = 100;

export function fromDomainsOf({ header }: Pick<Mail, 'header'>): FromDomains {
  const fields = header.all('from');
  const addresses = areReadable(fields) ? fields.flatMap(addressesOf) : [];
  const domains = [...new Set(addresses.flatMap(domainsOf))];
  const isReadable = areReadable(fields) && domains.length <= maxDomains;
  return { domains: isReadable ? domains : [], isOneField: fields.length === 1, isReadable };
}

/**
 * Behind each @ of what stands where an address should: the members of a group, addresses between semicolons, or what
 * has one bracket only, are shown by some readers. Internationalized domains stand there as UTF-8 (RFC 6532), and
 * readers take full-width forms and invisible characters as IDNA does.
 */
function domainsOf(address: string): readonly string[] {
  const text = decodeUtf8(Buffer.from(address, 'latin1')) ?? address;
  // RFC 2047 §5: an encoded word is no address. Readers decode it all the same, where an address should stand.
  const shown = address.includes('=?') ? `${text} ${decodeField(address)}` : text;
  const plain = shown
    .normalize('NFKC')
    .replaceAll('\u3002', '.')
    .replace(/(?!\s)[\p{Cc}\p{Cf}]/gu, '');
  return [...plain.matchAll(/@([^@,;:<>]*)/g)].flatMap(([, given = '']) => readings(given));
}

/**
 * White space inside an address is obsolete, not forbidden (RFC 5322 §4.4), and readers pass over it; what is behind it
 * may also be text beside the address.
 */
function readings(given: string): readonly string[] {
  const [first = ''] = given
    .trim()
    .replace(/\s*\.\s*/g, '.')
    .split(/\s/, 1);
  return [given.replace(/\s/g, ''), first].flatMap((domain) => parseDomain(domain.replace(/\.$/, '')) ?? []);
}
