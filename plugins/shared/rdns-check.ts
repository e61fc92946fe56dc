/** What rdns, rdns4 and rdns6 share; no plugin itself. */
import { type Plugin, defer, defineCheck, pass, reject } from '../../src/hooks/check.js';

interface ReverseNameCheck {
  readonly name: string;
  readonly inAll: boolean;
  readonly families: readonly (4 | 6)[];
}

export function checkReverseName({ name, inAll, families }: ReverseNameCheck): Plugin {
  return defineCheck({
    name,
    inAll,
    async inspect({ session }) {
      if (!families.includes(session.clientIp.family)) return pass;
      const client = await session.clientName();
      if (client.kind === 'failed') return defer('Reverse name of your address cannot be looked up', client.problem);
      return client.kind === 'none'
        ? reject('No reverse name (PTR record) for your address', session.clientIp.text)
        : pass;
    },
  });
}
