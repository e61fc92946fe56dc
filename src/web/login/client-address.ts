/**
 * The address that a request came from: the connection's, or what a proxy of `web_proxies` says of the connection
 * before it.
 */
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context } from 'hono';
import { inAny, type Network, parseIp } from '../../mail/ip.js';

/** Returns '' when the connection is closed already. */
export function clientAddress(c: Context, proxies: readonly Network[]): string {
  const connected = addressOf(c);
  return forwardedFor(connected, c.req.header('x-forwarded-for') ?? '', proxies);
}

function addressOf(c: Context): string {
  const text = getConnInfo(c).remote.address ?? '';
  return parseIp(text)?.text ?? text;
}

/**
 * Each proxy adds the address that it was asked by on the right; what stands left of the first stranger may be made up.
 */
export function forwardedFor(connected: string, header: string, proxies: readonly Network[]): string {
  let at = connected;
  for (const word of header.split(',').toReversed()) {
    const proxy = parseIp(at);
    if (!proxy || !inAny(proxies, proxy)) return at;
    const before = parseIp(word.trim().replace(/^\[(.*)\]$/, '$1'));
    if (!before) return at;
    at = before.text;
  }
  return at;
}
