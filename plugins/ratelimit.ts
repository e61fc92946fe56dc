/**
 * ratelimit — at most so many mails in so much time: of a client's network (421 at MAIL, and the connection ends), and
 * of a sender's domain (450 at the end of the mail). Nothing is archived, and whoever stays below the limit is not held
 * up. In the list of plugins, and for all domains:
 *
 *     ratelimit client=200/1h                 an IPv4 /24 or IPv6 /64 sends at most 200 mails an hour
 *     ratelimit client=200/1h sender=500/1d   … and a sender's domain 500 a day
 *
 * The time begins with the first mail; when it is over, counting begins anew. A domain is counted over all clients
 * where SPF passes (checks/spf is on, before this plugin), else by client network: a forger uses up his own share only.
 * Not counted: clients in relay_networks, in _global_/whitelisted/ips, and, for the domain, mail that is rejected or
 * whitelisted.
 *
 * Counts are kept in the setting `store`, for all processes, and with Redis for all hosts. While it is down the mail
 * passes, and the log says so, or is deferred: the setting `store_down`.
 */

import type { Plugin, SessionContext } from '../src/hooks/plugin.js';
import { reply } from '../src/mail/reply.js';
import { type Verdict, defer, note, pass, skip } from '../src/mail/verdict.js';
import { type ArgumentKind, count, readArguments, time } from '../src/hooks/arguments.js';
import { networkText } from './shared/client-network.js';

interface Rate {
  readonly max: number;
  readonly ms: number;
}

const rate: ArgumentKind<Rate | undefined> = {
  right: 'a number of mails and a time, such as 200/1h',
  read(text) {
    const [mails = '', within = '', ...more] = text.split('/');
    const [max, ms] = [count.read(mails), time.read(within)];
    return max === undefined || ms === undefined || more.length > 0 ? undefined : { max, ms };
  },
};

export default function ratelimit(args: readonly string[]): Plugin {
  const { client, sender } = readArguments<{ client: Rate | undefined; sender: Rate | undefined }>(
    args,
    { client: rate, sender: rate },
    { client: undefined, sender: undefined },
  );
  if (!client && !sender) throw new Error('needs a limit: client=200/1h, sender=500/1d or both');
  return {
    name: 'ratelimit',
    ...(client && {
      mail(context) {
        const { markers, session } = context;
        const marker = markers.addressListed('', 'whitelisted', session.clientIp);
        if (marker !== undefined) return skip(`whitelisted: ${marker}`);
        return counted(context, { what: `client ${networkText(session.clientIp)}`, rate: client, code: 421 });
      },
    }),
    ...(sender && {
      skipsSettled: true,
      dataPost(context) {
        if (context.reversePath === '') return skip('null reverse-path');
        const vouched = context.authenticated()['spf'] === 'pass';
        const who = vouched ? '' : ` by ${networkText(context.session.clientIp)}`;
        return counted(context, { what: `sender ${context.senderDomain}${who}`, rate: sender, code: 450 });
      },
    }),
  };
}

interface LimitedThing {
  readonly what: string;
  readonly rate: Rate;
  readonly code: 421 | 450;
}

async function counted({ store, host }: SessionContext, { what, rate: limit, code }: LimitedThing): Promise<Verdict> {
  const sum = await store.add(`ratelimit ${what} ${limit.ms}`, 1, limit.ms);
  if (!sum.ok) {
    return host.storeDown === 'pass'
      ? note(`not counted, store: ${sum.problem}`)
      : defer('Temporary local problem, try again later', `store: ${sum.problem}`);
  }
  if (sum.value <= limit.max) return pass;
  const answer = reply(code, code === 421 ? '4.7.0' : '4.7.1', 'Too many mails, please try again later');
  return defer('', `${what}: ${sum.value} mails, ${limit.max} may be`, answer);
}
