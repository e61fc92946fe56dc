/**
 * dkim — rejects mail without a DKIM signature from a domain that signs all its mail.
 *
 *     dkim                             the list that ships with postern (dkim.txt): large providers
 *     dkim /etc/postern/signers.txt    a list of your own: one domain a line, # comments; *.example.org
 *                                      for what is below
 *
 * The domain is that of the reverse-path: mailing lists, which may take signatures off, have one of their own.
 * Whether the signature is good is not asked here: that is recorded by dkim_check, which this check's marker switches
 * on as well, and acted upon by dmarc.
 */
import { type Plugin, defineCheck, pass, reject } from '../src/hooks/check.js';
import { parseDomain } from '../src/mail/domain.js';
import { readWordList, shippedList } from './shared/word-list.js';

export default function dkim([file = shippedList('dkim.txt'), ...more]: readonly string[]): Plugin {
  if (more.length > 0) throw new Error('takes one file');
  const signers = readWordList(file).map((name) => name.toLowerCase());
  const wrong = signers.find((name) => parseDomain(name.replace(/^\*\./, '')) === undefined);
  if (wrong !== undefined) throw new Error(`${file}: "${wrong}" is no domain`);
  const exact = new Set(signers);
  const above = signers.filter((name) => name.startsWith('*.')).map((name) => name.slice(1));
  return defineCheck({
    name: 'dkim',
    inspect({ senderDomain, header }) {
      if (header.get('dkim-signature') !== undefined) return pass;
      const signs = exact.has(senderDomain) || above.some((end) => senderDomain.endsWith(end));
      return signs ? reject(`Not signed (DKIM), as all mail from ${senderDomain} is`) : pass;
    },
  });
}
