/** The names under which a network around an address may stand in `ips/`: `192.0.2.0_24`, `2001:db8::_32`. */
import { type Ip, ip4FromWord, parseIp } from '../mail/ip.js';

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
  for (let prefix = ip.family === 4 ? 32 : 128; prefix >= 0; prefix--) {
    const base = masked(ip, prefix);
    if (base !== undefined) names.push(`${base.text}_${prefix}`);
  }
  return names;
}

function masked(ip: Ip, prefix: number): Ip | undefined {
  const words = ip.words.map((word, i) => {
    const bits = Math.min(Math.max(prefix - 32 * i, 0), 32);
    return bits === 0 ? 0 : (word & (0xffffffff << (32 - bits))) >>> 0;
  });
  if (ip.family === 4) return ip4FromWord(words[0] ?? 0);
  return parseIp(words.map((word) => `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`).join(':'));
}
