/**
 * from_spoof — rejects mail from outside that says to be from one of our own domains: its From: field names a hosted
 * domain, and neither SPF nor a DKIM signature stands for that domain.
 *
 * SPF stands for it if it passes for a reverse-path of the same domain, or of one above or below it; a DKIM signature
 * if it is good and of such a domain. Both are evaluated for it where no other check has done so; if DNS does not
 * answer, the mail is deferred. Clients in relay_networks are not outside, nor are hosts in spf_forwarders. Not part of
 * checks/all: users who send through a provider that knows nothing of the domain would be turned away.
 */
import { type Mail, defer, defineCheck, pass, reject, skip } from '../src/hooks/check.js';
import { signaturesOf } from './shared/dkim-signatures.js';
import { fromDomainsOf } from './shared/from-domains.js';
import { isForwarder, spfOf } from './shared/spf-result.js';

export default defineCheck({
  name: 'from_spoof',
  inAll: false,
  async inspect(mail) {
    const { domains, isOneField, isReadable } = fromDomainsOf(mail);
    if (!isReadable) return reject('From: is too large');
    const [...ours] = domains.filter((domain) => isOurs(mail, domain));
    if (ours.length === 0) return pass;
    if (await isForwarder(mail)) return skip('a forwarder of spf_forwarders');
    const spf = await spfOf(mail);
    const { dkim } = await signaturesOf(mail);
    const standing = [spf, ...dkim].filter(({ result }) => isOneField && result === 'pass');
    const forged = ours.find((domain) => !standing.some((by) => isRelated(domain, by.domain)));
    if (forged === undefined) return pass;
    if ([spf, ...dkim].some(({ result }) => result === 'temperror'))
      return defer(`Whether ${forged} stands for your mail cannot be looked up now`);
    return reject(`From: names ${forged}, which your host may not send for`);
  },
});

/** A hosted domain, or one below it. */
function isOurs({ isHosted }: Mail, domain: string): boolean {
  const labels = domain.split('.');
  return labels.some((_, i) => isHosted(labels.slice(i).join('.')));
}

const isRelated = (a: string, b: string): boolean => a === b || a.endsWith(`.${b}`) || b.endsWith(`.${a}`);
