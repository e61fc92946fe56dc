/**
 * greylisting — defers (450) the first try of a client's network, a sender and a recipient; whoever comes again after a
 * while is accepted, and remembered (RFC 6647). Most of what sends spam does not come again. Left out of checks/all.
 *
 *     greylisting delay=5m window=2d life=36d clients=5
 *
 *     delay      how long the first try is put off
 *     window     how long we wait for the second
 *     life       how long what has passed is remembered, from its last mail on
 *     clients    a network is known, and not put off any more, once so many of its tries have come again
 *
 * A network is an IPv4 /24 or an IPv6 /64. Where SPF passes (asked here if checks/spf is off), the sender's domain
 * takes the network's place, so that a domain with many hosts is known by all of them, and it is known once one of its
 * tries has come again. Mail that is rejected or whitelisted is not put off. It has to stand behind all plugins that
 * reject: what is deferred is not archived.
 *
 * The memory is the setting `store`, shared by all processes, and with Redis by all hosts. While it is down the mail
 * passes, and the log says so, or is deferred: the setting `store_down`.
 */
import {
  type GreylistResult,
  type Mail,
  type Plugin,
  type Verdict,
  defer,
  defineCheck,
  note,
  pass,
} from '../src/hooks/check.js';
import { reply } from '../src/mail/reply.js';
import { count, readArguments, time, timeText } from '../src/hooks/arguments.js';
import { networkText } from './shared/client-network.js';
import { isForwarder, spfOf } from './shared/spf-result.js';

interface Times {
  readonly delay: number;
  readonly window: number;
  readonly life: number;
  readonly clients: number;
}

const usual: Times = { delay: 300_000, window: 172_800_000, life: 36 * 86_400_000, clients: 5 };

export default function greylisting(args: readonly string[]): Plugin {
  const times = readArguments(args, { delay: time, window: time, life: time, clients: count }, usual);
  if (times.window <= times.delay) throw new Error('window must be longer than delay');
  return defineCheck({ name: 'greylisting', inAll: false, inspect: (mail) => judge(mail, times) });
}

async function judge(mail: Mail, times: Times): Promise<Verdict> {
  const who = identityOf(mail, await isVouchedFor(mail), times);
  const knownKey = `greylisting known ${who.text}`;
  const known = await mail.store.get(knownKey);
  if (!known.ok) return unknown(mail, known.problem);
  const passed = Number(known.value ?? 0);
  if (passed >= who.enough) {
    mail.recordGreylisting('known');
    return remember(mail, [[knownKey, String(passed)]], times.life);
  }
  const tries = await Promise.all(mail.recipients.map(({ text }) => tryOf(mail, { who, recipient: text, times })));
  const broken = tries.find((one) => one.kind === 'broken');
  if (broken?.kind === 'broken') return unknown(mail, broken.problem);
  mail.recordGreylisting(resultOf(tries));
  const waits = tries.map((one) => (isPutOff(one) ? one.leftMs : 0));
  const leftMs = Math.max(...waits);
  if (leftMs > 0) return putOff(leftMs, who);
  const learned = tries.some((one) => one.kind === 'come again') ? passed + 1 : passed;
  const keys = tries.map(({ key }): [string, string] => [key, 'passed']);
  return remember(mail, learned > 0 ? [...keys, [knownKey, String(learned)]] : keys, times.life);
}

interface GreylistIdentity {
  readonly text: string;
  /** How many first tries must have been repeated before it is known. */
  readonly enough: number;
}

/** An SPF pass vouches for the domain (RFC 7208 §2.6.3). */
function identityOf({ session, senderDomain }: Mail, isVouched: boolean, { clients }: Times): GreylistIdentity {
  return isVouched
    ? { text: `domain ${senderDomain}`, enough: 1 }
    : { text: `network ${networkText(session.clientIp)}`, enough: clients };
}

/** SPF is asked here where checks/spf is off. A null reverse-path has no domain; a forwarder sends mail of others. */
async function isVouchedFor(mail: Mail): Promise<boolean> {
  if (mail.reversePath === '') return false;
  const known = mail.authenticated()['spf'];
  if (known !== undefined) return known === 'pass';
  return !(await isForwarder(mail)) && (await spfOf(mail)).result === 'pass';
}

type Try = { readonly key: string } & (
  { readonly kind: 'passed' | 'come again' } | PutOffTry | { readonly kind: 'broken'; readonly problem: string }
);

interface PutOffTry {
  readonly kind: 'new' | 'early';
  readonly leftMs: number;
}

const isPutOff = (one: Try): one is Try & PutOffTry => one.kind === 'new' || one.kind === 'early';

/** What the tries for all recipients are in all: one that is put off puts off the mail. */
function resultOf(tries: readonly Try[]): GreylistResult {
  const has = (kind: Try['kind']): boolean => tries.some((one) => one.kind === kind);
  if (has('new')) return 'new';
  if (has('early')) return 'early';
  return has('come again') ? 'passed' : 'known';
}

interface Triple {
  readonly who: GreylistIdentity;
  readonly recipient: string;
  readonly times: Times;
}

async function tryOf({ store, reversePath }: Mail, { who, recipient, times }: Triple): Promise<Try> {
  const key = `greylisting try ${JSON.stringify([who.text, senderText(reversePath), recipient.toLowerCase()])}`;
  const now = Date.now();
  const first = await store.claim(key, String(now), times.window);
  if (!first.ok) return { key, kind: 'broken', problem: first.problem };
  if (first.value === 'passed') return { key, kind: 'passed' };
  if (!/^\d{1,15}$/.test(first.value)) return { key, kind: 'broken', problem: 'what is stored is no time' };
  const leftMs = Number(first.value) + times.delay - now;
  if (leftMs <= 0) return { key, kind: 'come again' };
  return { key, kind: first.value === String(now) ? 'new' : 'early', leftMs };
}

/** Senders that count or sign in the local-part (VERP, BATV: prvs=1234abcd56=user@…) are one sender. */
const senderText = (reversePath: string): string =>
  reversePath
    .toLowerCase()
    .replace(/^prvs=[0-9a-f]{10}=/, '')
    .replace(/\d+/g, '#');

function putOff(leftMs: number, { text }: GreylistIdentity): Verdict {
  const answer = reply(450, '4.7.1', `Greylisted, please try again in ${timeText(leftMs)}`);
  return defer('', `${text}: ${Math.ceil(leftMs / 1000)} s to wait`, answer);
}

async function remember(
  mail: Mail,
  values: readonly (readonly [key: string, value: string])[],
  lifeMs: number,
): Promise<Verdict> {
  const put = await Promise.all(values.map(([key, value]) => mail.store.put(key, value, lifeMs)));
  const broken = put.find(({ ok }) => !ok);
  // It has waited long enough, whether that can be written down or not.
  return broken === undefined || broken.ok ? pass : note(`not remembered, store: ${broken.problem}`);
}

function unknown({ host }: Mail, problem: string): Verdict {
  return host.storeDown === 'pass'
    ? note(`not asked, store: ${problem}`)
    : defer('Temporary local problem, try again later', `store: ${problem}`);
}
