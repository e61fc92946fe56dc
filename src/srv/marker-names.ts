/**
 * The names under which a marker can match, by what it is below: one set of rules for the page, `postern srv` and its
 * lint. A name that can never match is told with what would be right, where that can be known.
 */
import { parseAddress, mayBeRouted } from '../mail/address.js';
import { parseDomain } from '../mail/domain.js';
import { networkBase, parseIp, parseNetwork } from '../mail/ip.js';
import { entryName } from './entry-name.js';

export interface NameProblem {
  readonly why: string;
  /** It is the name that would match. */
  readonly right?: string;
}

/** `name` is in lower case. Undefined: it can match. */
export type NameRule = (name: string) => NameProblem | undefined;

/** The kinds of marker below a domain whose names are looked up. */
export const nameRules = {
  'users/valid': localPartRule,
  'users/invalid': localPartRule,
  'blacklisted/ips': ipRule,
  'blacklisted/hosts': hostRule,
  'blacklisted/tld': tldRule,
  'blacklisted/senders': senderRule,
  'blacklisted/domains': domainRule,
  'whitelisted/ips': ipRule,
  'whitelisted/senders': senderRule,
  'whitelisted/domains': domainRule,
  'whitelisted/recipients': recipientRule,
} as const satisfies Readonly<Record<string, NameRule>>;

export type NamedKind = keyof typeof nameRules;

export const namedKinds = Object.keys(nameRules) as readonly NamedKind[];

export type NameReading = { readonly kind: 'good'; readonly name: string } | ({ readonly kind: 'wrong' } & NameProblem);

/** What somebody has typed, as the name of a marker. Case does not matter; all else must be as it is looked up. */
export function readName(kind: NamedKind, typed: string): NameReading {
  // The wildcard is the operator's to give; no client can name it.
  if (typed === '*')
    return kind === 'users/valid'
      ? { kind: 'good', name: '*' }
      : { kind: 'wrong', why: 'never matches: the wildcard is for users/valid' };
  const problem = nameRules[kind](typed.normalize('NFC').toLowerCase());
  if (problem) return { kind: 'wrong', ...problem };
  const name = entryName(typed);
  return name === undefined ? { kind: 'wrong', why: 'can be no name of a marker' } : { kind: 'good', name };
}

const never = (why: string): NameProblem => ({ why: `never matches: ${why}` });
const callIt = (right: string): NameProblem => ({ why: `never matches: call it ${right}`, right });

export function ipRule(name: string): NameProblem | undefined {
  const network = parseNetwork(name);
  if (name.includes('/') && network) return callIt(ipName(network.base.text, network.prefix) ?? name);
  const [base = '', prefix, ...more] = name.split('_');
  const length = prefix === undefined ? undefined : Number(/^\d{1,3}$/.exec(prefix)?.[0] ?? NaN);
  const right = more.length > 0 ? undefined : ipName(base, length);
  if (right === undefined) return never('no address, and no network such as 192.0.2.0_24');
  return right === name ? undefined : callIt(right);
}

/** The whole of an address has no prefix; undefined for what is no address, or no prefix of one. */
function ipName(base: string, prefix: number | undefined): string | undefined {
  const ip = parseIp(base);
  const bits = ip?.family === 4 ? 32 : 128;
  if (!ip || !((prefix ?? bits) <= bits)) return undefined;
  return prefix === undefined ? ip.text : `${networkBase(ip, prefix).text}_${prefix}`;
}

function hostRule(name: string): NameProblem | undefined {
  const ascii = parseDomain(name.replace(/\.$/, ''));
  if (ascii === undefined) return never('no domain name');
  return ascii === name ? undefined : callIt(ascii);
}

function domainRule(name: string): NameProblem | undefined {
  if (parseAddress(name)) return never('a domain is looked up here; a whole address goes to senders/');
  return hostRule(name);
}

function tldRule(name: string): NameProblem | undefined {
  const rest = name.replace(/^\./, '');
  if (rest.includes('.')) return never('only the last label of a name is looked up here');
  return rest === name ? hostRule(name) : callIt(rest);
}

function senderRule(name: string): NameProblem | undefined {
  const address = parseAddress(name);
  if (!address) return never('no address such as anna@example.org (a whole domain goes to domains/)');
  const right = address.text.toLowerCase();
  return right === name ? undefined : callIt(right);
}

/** What an MTA might route elsewhere has a marker of just its name, or none. */
function localPartRule(name: string): NameProblem | undefined {
  if (!name.includes('@')) return undefined;
  const address = parseAddress(name);
  const why = 'is looked up by the local-part alone: leave out what begins with @';
  return address ? { why, right: address.localPart } : { why };
}

function recipientRule(name: string): NameProblem | undefined {
  const problem = localPartRule(name);
  if (problem) return problem;
  return mayBeRouted(name) ? never('an MTA might route it elsewhere') : undefined;
}
