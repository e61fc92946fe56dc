/** The names under which a network around an address may stand in `ips/`: `192.0.2.0_24`, `2001:db8::_32`. */
import { type Ip, networkBase } from '../mail/ip.js';

/** A client's address is asked about at each of its mails. */
const known = new WeakMap<Ip, readonly string[]>();

/** From the longest prefix to the shortest, /0 included; the base has no host bits set and is in canonical form. */
export function networkNames(ip: Ip): readonly string[] {
  const names = known.get(ip) ?? namesAround(ip);
  known.set(ip, names);
  return names;
}

function namesAround(ip: Ip): string[] {
  const names: string[] = [];
  for (let prefix = ip.family === 4 ? 32 : 128; prefix >= 0; prefix--)
    names.push(`${networkBase(ip, prefix).text}_${prefix}`);
  return names;
}
