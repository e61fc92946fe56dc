/**
 * helo — rejects a HELO name that no proper mail server uses: with a blank or an underscore, not ASCII (RFC 6531
 * §3.7.1), without a dot, a bare IP address, or under .lan .local .localdomain .internal. An address literal like
 * [192.0.2.1] is legal (RFC 5321 §4.1.3).
 */
import { defineCheck, pass, reject } from '../src/hooks/check.js';
import { parseIp } from '../src/mail/ip.js';

export default defineCheck({
  name: 'helo',
  inspect({ session }) {
    const { helo } = session;
    const name = helo.endsWith('.') ? helo.slice(0, -1) : helo;
    const fault = isLiteral(name) ? undefined : faultOf(name);
    return fault === undefined ? pass : reject(`Invalid HELO name: ${fault}`, `${fault}: ${helo}`);
  },
});

function isLiteral(name: string): boolean {
  const inside = /^\[(ipv6:)?([^\]]*)\]$/i.exec(name);
  return inside !== null && parseIp(inside[2] ?? '')?.family === (inside[1] === undefined ? 4 : 6);
}

function faultOf(name: string): string | undefined {
  if (parseIp(name)) return 'a bare IP address';
  if (name.includes(' ')) return 'a blank';
  if (!/^[!-~]*$/.test(name)) return 'not ASCII';
  if (name.includes('_')) return 'underscore';
  if (!name.includes('.')) return 'not fully qualified';
  return /\.(?:lan|local|localdomain|internal)$/i.test(name) ? 'a private domain' : undefined;
}
