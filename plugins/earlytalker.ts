/**
 * earlytalker — lets clients that no earlier good mail vouches for wait for their greeting, and turns away the mail of
 * those that do not wait for their turn. What sends spam is in a hurry; a mail server waits (RFC 5321 §4.3.1).
 *
 *     earlytalker delay=6s action=reject life=30d
 *
 *     delay      how late the greeting is, from 1s to 6s
 *     action     what becomes of the mail of who has talked early: reject (archived, and 550 at its end), or defer
 *     life       how long a good mail vouches for its client
 *
 * Talking early is: saying something before the greeting, or a command before the reply to the one before it, where
 * pipelining was not offered (to HELO) or EHLO is not answered yet, or the message before 354. Only the first needs the
 * delay; the others are seen of any client.
 *
 * A mail vouches for its client once the local MTA has taken it: for its address (IPv6: its /64), and for its confirmed
 * name, by which a sender with many hosts is known. Such clients, those in _global_/whitelisted/ips and those in
 * relay_networks are greeted at once. A client that waits costs no more than its connection.
 *
 * The memory is the setting `store`, shared by all processes, and with Redis by all hosts. While it is down nobody is
 * vouched for, and all wait.
 */

import type { EarlyTalk, Plugin, RelayedContext, SessionContext } from '../src/hooks/plugin.js';
import { type ArgumentKind, readArguments, time } from '../src/hooks/arguments.js';
import { type Ip, networkBase } from '../src/mail/ip.js';
import { type Verdict, defer, delay, pass, reject, skip } from '../src/mail/verdict.js';

interface Patience {
  readonly delay: number;
  readonly action: 'reject' | 'defer';
  readonly life: number;
}

const usual: Patience = { delay: 6_000, action: 'reject', life: 30 * 86_400_000 };

const fewSeconds: ArgumentKind<number> = {
  right: 'a time from 1s to 6s',
  read(text) {
    const ms = time.read(text);
    return ms !== undefined && ms >= 1_000 && ms <= 6_000 ? ms : undefined;
  },
};

const action: ArgumentKind<Patience['action']> = {
  right: 'reject or defer',
  read: (text) => (text === 'reject' || text === 'defer' ? text : undefined),
};

export default function earlytalker(args: readonly string[]): Plugin {
  const options = readArguments<Patience>(args, { delay: fewSeconds, action, life: time }, usual);
  return {
    name: 'earlytalker',
    skipsSettled: true,
    connect: (context) => greetedAfter(context, options.delay),
    dataPost: ({ session: { early } }) => (early && options.action === 'reject' ? rejected(early) : pass),
    // What is put off is not archived: whoever rejects comes first, and a pardon counts.
    queue: ({ session: { early }, pardoned }) =>
      early && options.action === 'defer' && pardoned === undefined ? deferred(early) : pass,
    relayed: (context) => vouch(context, options.life),
  };
}

/** The store and the DNS are asked while the client waits. */
async function greetedAfter(context: SessionContext, ms: number): Promise<Verdict> {
  const { session, markers, store } = context;
  const marker = markers.addressListed('', 'whitelisted', session.clientIp);
  if (marker !== undefined) return skip(`whitelisted: ${marker}`);
  const since = performance.now();
  const isKnown = async (who: string): Promise<boolean> => {
    const answer = await store.get(keyOf(who));
    return answer.ok && answer.value !== undefined;
  };
  if (await isKnown(addressText(session.clientIp))) return pass;
  const name = await session.clientName();
  if (name.kind === 'confirmed' && (await isKnown(name.name))) return pass;
  return delay(Math.max(0, ms - (performance.now() - since)), 'no earlier mail vouches for it');
}

const rejected = (early: EarlyTalk): Verdict => reject(`${texts[early]} (RFC 5321 section 4.3.1)`, texts[early]);
const deferred = (early: EarlyTalk): Verdict => defer(`${texts[early]}, try again later`, texts[early]);

const texts = {
  greeting: 'The client has talked before the greeting',
  pipelining: 'The client has not waited for our replies',
  message: 'The client has sent its message before 354',
} as const;

/** Whoever is taken though it has talked early, for a whitelist, vouches for nothing. */
async function vouch({ session, store, log }: RelayedContext, life: number): Promise<void> {
  if (session.early !== undefined) return;
  const name = session.knownClientName;
  const whom = [addressText(session.clientIp), ...(name?.kind === 'confirmed' ? [name.name] : [])];
  for (const answer of await Promise.all(whom.map((who) => store.put(keyOf(who), '1', life))))
    if (!answer.ok) log.info(`not remembered, store: ${answer.problem}`);
}

const keyOf = (who: string): string => `earlytalker known ${who}`;

/** A customer of a provider has a /64 at least, and may draw addresses from it at will. */
const addressText = (ip: Ip): string => (ip.family === 4 ? ip.text : `${networkBase(ip, 64).text}/64`);
