/**
 * blacklist — rejects what the operator has listed, below /srv/DOMAIN/blacklisted/ or /srv/_global_/blacklisted/.
 *
 *     ips/192.0.2.1, ips/192.0.2.0_24    the client's address (also the files of the setting blacklist_dir)
 *     hosts/NAME                         the client's reverse name, whole
 *     tld/ph                             the last label of the client's reverse name
 *     senders/ADDRESS                    the reverse-path
 *     domains/NAME                       the reverse-path's domain
 *
 * Where hosts/ or tld/ holds anything and DNS does not say the client's name, the mail is deferred. Stands before
 * whitelist in the list: a whitelist entry lifts it.
 */

import type { ClientName, DataContext, Plugin } from '../src/hooks/plugin.js';
import { type Eventual, after } from '../src/mail/eventual.js';
import { type Verdict, defer, pass, reject } from '../src/mail/verdict.js';

const plugin: Plugin = {
  name: 'blacklist',
  skipsSettled: true,
  dataPost(context) {
    const marker = bySender(context) ?? byAddress(context);
    return marker === undefined ? byName(context) : reject('Blacklisted', marker);
  },
};
export default plugin;

function bySender({ markers, domain, reversePath, senderDomain }: DataContext): string | undefined {
  return (
    markers.listed(domain, 'blacklisted', 'senders', reversePath) ??
    markers.listed(domain, 'blacklisted', 'domains', senderDomain)
  );
}

const byAddress = ({ markers, domain, session }: DataContext): string | undefined =>
  markers.addressListed(domain, 'blacklisted', session.clientIp);

const byName = (context: DataContext): Eventual<Verdict> =>
  after(context.session.knownClientName ?? context.session.clientName(), (client) => judgeName(context, client));

function judgeName({ markers, domain }: DataContext, client: ClientName): Verdict {
  if (client.kind === 'none') return pass;
  if (client.kind === 'failed') {
    const asked = ['hosts', 'tld'].some((kind) => markers.anyListed(domain, 'blacklisted', kind));
    return asked ? defer('Reverse name of your address cannot be looked up', client.problem) : pass;
  }
  const lastLabel = client.name.slice(client.name.lastIndexOf('.') + 1);
  const marker =
    markers.listed(domain, 'blacklisted', 'hosts', client.name) ??
    markers.listed(domain, 'blacklisted', 'tld', lastLabel);
  return marker === undefined ? pass : reject('Blacklisted', marker);
}
