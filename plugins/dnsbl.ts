/**
 * dnsbl — rejects clients whose address is on a DNS block list (RFC 5782), IPv4 and IPv6. Switched on for a domain by
 * the file /srv/DOMAIN/zones, of which each line is a zone to ask, with the answers that count where not all do:
 *
 *     zen.spamhaus.org=127.0.0.2,127.0.0.3,127.0.0.4/30    # return codes or networks of them
 *     bl.example.org                                       # any answer inside 127.0.0.0/8
 *     bl.example.net=127.0.0.[2..11]*4                     # these give 4 points, and reject nothing: see score
 *     list.dnswl.org=127.0.[0..255].[1;2..3]*-3            # whom it lists has 3 points less
 *
 *     dnsbl         all zones are asked at once, and have 3 seconds
 *     dnsbl 5       … 5 seconds
 *
 * Never a listing: 127.255.255.0/24, by which lists say that they do not answer (a quota, a public resolver), and
 * whatever is outside 127.0.0.0/8. That, and a zone that cannot be asked, is logged, and the mail passes. The reply
 * holds the list's own reason (TXT). checks/dnsbl holding the word log: listings are logged only.
 */

import type { Plugin } from '../src/hooks/check.js';
import { reverseName } from '../src/mail/ip.js';
import { checkDnsLists, isLoopback } from './shared/dns-list-check.js';

export default function dnsbl(args: readonly string[]): Plugin {
  return checkDnsLists({
    name: 'dnsbl',
    list: 'zones',
    args,
    subjects({ session: { clientIp } }) {
      if (isLoopback(clientIp)) return [];
      const labels = reverseName(clientIp).replace(/\.(?:in-addr|ip6)\.arpa$/, '');
      return [{ labels, text: `Your address ${clientIp.text}` }];
    },
  });
}
