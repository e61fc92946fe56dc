/**
 * address — rejects mail whose From: field is missing or empty, or holds an address that begins with -, |, _ or ! or
 * has two @ in a row. A bounce, which has a null reverse-path, may name nobody: `From: MAILER-DAEMON <>`, or just
 * words.
 */
import { defineCheck, pass, reject } from '../src/hooks/check.js';
import { addressesOf } from '../src/mail/mailboxes.js';

export default defineCheck({
  name: 'address',
  inspect({ header, reversePath }) {
    const from = header.get('from');
    if (from === undefined) return reject('Missing header - From:');
    const addresses = addressesOf(from);
    const namesNobody = addresses.every((address) => address === '');
    if (namesNobody && !(from !== '' && (reversePath === '' || isMailerDaemon(from))))
      return reject('Empty header - From:');
    const bad = addresses.find((address) => /^[-|_!]/.test(address) || address.includes('@@'));
    return bad === undefined ? pass : reject('Invalid address in header - From:', bad);
  },
});

/** As bounces of some MTAs have it, also where a forwarder has put its own address into the reverse-path. */
const isMailerDaemon = (from: string): boolean => /^"?mailer-daemon"?\s*<\s*>$/i.test(from);
