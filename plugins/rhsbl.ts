/**
 * rhsbl — rejects senders whose domain is on a DNS list of domains (RFC 5782 §2.3): that of the reverse-path, or of the
 * HELO name where the reverse-path is null. Switched on for a domain by the file /srv/DOMAIN/domain_zones, whose lines
 * are as those of `zones` for dnsbl:
 *
 *     dbl.spamhaus.org=127.0.1.0/24
 *     rhsbl.example.org
 *
 *     rhsbl 5       all zones are asked at once, and have 5 seconds, not 3
 *
 * Which answers count, and what happens when there are none, is as with dnsbl. checks/rhsbl holding the word log:
 * listings are logged only.
 */

import type { Plugin } from '../src/hooks/check.js';
import { checkDnsLists, domainOf } from './shared/dns-list-check.js';

export default function rhsbl(args: readonly string[]): Plugin {
  return checkDnsLists({
    name: 'rhsbl',
    list: 'domain_zones',
    args,
    subjects({ reversePath, senderDomain, session }) {
      if (reversePath !== '') return [{ labels: senderDomain, text: `Sender domain ${senderDomain}` }];
      const domain = domainOf(session.helo);
      return domain === undefined ? [] : [{ labels: domain, text: `HELO name ${domain}` }];
    },
  });
}
