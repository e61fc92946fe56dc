/** What rdns, rdns4 and rdns6 share; no plugin itself. */
import { type Plugin, type Verdict, defer, defineCheck, pass, reject } from '../../src/hooks/check.js';
import type { ClientName } from '../../src/hooks/plugin.js';
import { after } from '../../src/mail/eventual.js';

interface ReverseNameCheck {
  readonly name: string;
  readonly inAll: boolean;
  readonly families: readonly (4 | 6)[];
}

export function checkReverseName({ name, inAll, families }: ReverseNameCheck): Plugin {
  return defineCheck({
    name,
    inAll,
    inspect({ session }) {
      if (!families.includes(session.clientIp.family)) return pass;
      return after(session.knownClientName ?? session.clientName(), (client) => judge(client, session.clientIp.text));
    },
  });
}

function judge(client: ClientName, address: string): Verdict {
  if (client.kind === 'failed') return defer('Reverse name of your address cannot be looked up', client.problem);
  return client.kind === 'none' ? reject('No reverse name (PTR record) for your address', address) : pass;
}
