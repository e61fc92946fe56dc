/** The names under which a network around an address may stand in `ips/`: `192.0.2.0_24`, `2001:db8::_32`. */
import { type Ip, networkBase } from '../mail/ip.js';

/** By their prefixes, as they were asked for: a client's address is asked about at each of its mails. */
const known = new WeakMap<Ip, (string | undefined)[]>();

/**
 * Returns the names from the longest prefix to the shortest, /0 included. Their addresses are canonical and have no
 * host bits set.
 */
export function networkNames(ip: Ip): readonly string[] {
  const names: string[] = [];
  for (let prefix = bitsOf(ip); prefix >= 0; prefix--) names.push(nameOf(ip, prefix));
  return names;
}

/** The name of the network of that prefix; undefined where an address of this family has none. */
export const networkName = (ip: Ip, prefix: number): string | undefined =>
  prefix >= 0 && prefix <= bitsOf(ip) ? nameOf(ip, prefix) : undefined;

const bitsOf = (ip: Ip): number => (ip.family === 4 ? 32 : 128);

function nameOf(ip: Ip, prefix: number): string {
  let names = known.get(ip);
  if (names === undefined) known.set(ip, (names = []));
  return (names[prefix] ??= `${networkBase(ip, prefix).text}_${prefix}`);
}
