/** hosts(5): names that this system knows by itself, with their addresses. Pure; leaves reading to whoever asks. */
import { type Ip, parseIp } from '../mail/ip.js';

/** By name in lower case, in the order of the file. A line that makes no sense is left out, as the C library does. */
export function readHosts(text: string): ReadonlyMap<string, readonly Ip[]> {
  const hosts = new Map<string, Ip[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    const ip = parseIp(address);
    if (ip === undefined) continue;
    for (const name of names) {
      const key = name.toLowerCase();
      const known = hosts.get(key);
      if (known === undefined) hosts.set(key, [ip]);
      else known.push(ip);
    }
  }
  return hosts;
}
