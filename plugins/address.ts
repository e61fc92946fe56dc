/**
 * address — rejects mail whose From: field is missing or empty, or holds an address that begins with -, |, _ or ! or has
 * two @ in a row.
 */
import { defineCheck, pass, reject } from '../src/hooks/check.js';
import { addressesOf, areReadable } from '../src/mail/mailboxes.js';

export default defineCheck({
  name: 'address',
  inspect({ header }) {
    const from = header.get('from');
    if (from === undefined) return reject('Missing header - From:');
    if (!areReadable([from])) return reject('From: is too large');
    const addresses = addressesOf(from);
    if (addresses.every((address) => address === '')) return reject('Empty header - From:');
    const bad = addresses.find((address) => /^[-|_!]/.test(address) || address.includes('@@'));
    return bad === undefined ? pass : reject('Invalid address in header - From:', bad);
  },
});
