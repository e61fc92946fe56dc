/**
 * fcrdns — rejects clients whose name is not confirmed: the address has no reverse name, or the name does not lead back
 * to the address. Stricter than rdns, which is content with any reverse name. Not part of checks/all.
 */
import { type Verdict, defer, defineCheck, pass, reject } from '../src/hooks/check.js';
import type { ClientName } from '../src/hooks/plugin.js';
import { after } from '../src/mail/eventual.js';

export default defineCheck({
  name: 'fcrdns',
  inAll: false,
  inspect: ({ session }) =>
    after(session.knownClientName ?? session.clientName(), (client) => judge(client, session.clientIp.text)),
});

function judge(client: ClientName, address: string): Verdict {
  switch (client.kind) {
    case 'confirmed':
      return pass;
    case 'unconfirmed':
      return reject('The reverse name of your address does not lead back to it', `${address} is called ${client.name}`);
    case 'none':
      return reject('No reverse name (PTR record) for your address', address);
    case 'failed':
      return defer('Reverse name of your address cannot be looked up', client.problem);
  }
}
