/** What the DKIM signatures and the ARC chain of a mail are worth, for those that need it; no plugin itself. */
import { type Signature, type Signatures, verifySignatures } from '../../src/dkim/verify.js';
import type { Mail } from '../../src/hooks/check.js';
import { oncePerMail } from '../../src/hooks/once-per-mail.js';
import type { Eventual } from '../../src/mail/eventual.js';
import { comment, quotedString } from '../../src/spf/fields/lexical.js';

/** For all DNS questions of a mail's signatures. */
export const dnsMs = 15_000;

/** Verified once a mail, and recorded in Authentication-Results, X-DKIM-RESULT and log then. */
export const signaturesOf: (mail: Mail) => Eventual<Signatures> = oncePerMail(async (mail: Mail) => {
  const { message, header, dns } = mail;
  const found = await verifySignatures({ message, header, dns, dnsMs });
  mail.addField('X-DKIM-RESULT', summaryOf(found.dkim));
  if (found.dkim.length === 0) mail.recordAuthentication({ method: 'dkim', result: 'none', details: [] });
  for (const { result, domain, selector, why } of found.dkim) {
    const details = [
      ...(why === undefined ? [] : [comment(why)]),
      ...(domain === '' ? [] : [`header.d=${domain}`]),
      ...(selector === '' ? [] : [`header.s=${propertyOf(selector)}`]),
    ];
    mail.recordAuthentication({ method: 'dkim', result, details });
  }
  if (found.arc) {
    const { result, length, why } = found.arc;
    const details = [comment(why ?? `a chain of ${length}`)];
    mail.recordAuthentication({ method: 'arc', result, details });
  }
  return found;
});

/** Such as `pass example.org`; none where there is no signature. */
function summaryOf(signatures: readonly Signature[]): string {
  const [first = { result: 'none', domain: '' }] = [
    ...signatures.filter(({ result }) => result === 'pass'),
    ...signatures,
  ];
  return `${first.result} ${first.domain}`.trim();
}

const propertyOf = (value: string): string => (/^[a-z0-9._-]{1,200}$/i.test(value) ? value : quotedString(value));
