/**
 * uribl — rejects mail with a link to a domain that is on a DNS list of such (RFC 5782 §2.3): links in its text, its
 * HTML, and what HTML shows. Switched on for a domain by the file /srv/DOMAIN/uri_zones, whose lines are as those of
 * `zones` for dnsbl:
 *
 *     dbl.spamhaus.org=127.0.1.0/24
 *     multi.surbl.org=127.0.0.[8..254]*4
 *
 *     uribl 5       all zones are asked at once, and have 5 seconds, not 3
 *
 * Asked for is the domain that somebody has registered (example.co.uk of www.example.co.uk, by the Public Suffix List),
 * and under a suffix that is shared, such as github.io, also the name of who shares it. The first 50 of a mail are
 * asked for; those that are hosted here and addresses in the place of names are not. Which answers count, and what
 * happens when there are none, is as with dnsbl. What cannot be read has no links. checks/uribl holding the word log:
 * listings are logged only.
 */
import { setImmediate as otherSessions } from 'node:timers/promises';
import { type Mail, type Plugin } from '../src/hooks/check.js';
import { checkDnsLists, type ListSubject } from './shared/dns-list-check.js';
import { hostsIn } from './shared/links.js';

export default function uribl(args: readonly string[]): Plugin {
  return checkDnsLists({ name: 'uribl', list: 'uri_zones', args, subjects });
}

const maxDomains = 50;

async function subjects(mail: Mail): Promise<readonly ListSubject[]> {
  const content = await mail.content();
  if (content.kind === 'unreadable') return [];
  const { getDomain } = await import('tldts'); // 200 kB that only those load who ask for links
  const domains = new Set<string>();
  for (const host of hostsIn(content)) {
    if (host === undefined) {
      await otherSessions();
      continue;
    }
    for (const allowPrivateDomains of [false, true]) {
      const domain = getDomain(host, { allowPrivateDomains });
      if (domain !== null && !mail.isHosted(domain)) domains.add(domain);
    }
    if (domains.size >= maxDomains) break;
  }
  return [...domains].slice(0, maxDomains).map((labels) => ({ labels, text: `Link to ${labels}` }));
}
