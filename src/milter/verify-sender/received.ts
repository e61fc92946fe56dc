/**
 * Who handed the mail to a forwarding host, by the Received field that host wrote. Read are the forms of Postfix,
 * Sendmail, Exim, qmail, Exchange and postern; the client's own words in them (its HELO name) are told from its
 * address, which the host saw.
 *
 *     from HELO (NAME [ADDRESS]) by …                     Postfix, Sendmail, postern
 *     from [ADDRESS] (helo=HELO) by …                     Exim
 *     from NAME ([ADDRESS] helo=HELO) by …                Exim
 *     from NAME (HELO HELO) (ADDRESS) by …                qmail
 *     from HELO (ADDRESS) by …                            Exchange
 */
import { inAny, type Ip, type Network, parseIp } from '../../mail/ip.js';

export interface Hop {
  readonly ip: Ip;
  readonly helo: string | undefined;
}

/** Undefined where no client's address stands in the field. */
export function readReceived(value: string): Hop | undefined {
  const text = value.slice(0, 2000).replace(/\s+/g, ' ').trim();
  const [, first = '', rest = ''] = /^from (\S+)(.*?)(?: by |$)/i.exec(text) ?? [];
  if (first === '') return undefined;
  const said = /\bhelo[= ]([^\s()]+)/i.exec(rest)?.[1];
  const seen = rest.replace(/\bhelo[= ][^\s()]+/gi, '');
  // What a host saw of a client stands last: before it there may be the client's ident answer.
  const inParentheses = lastAddress(seen);
  const ip = inParentheses ?? (isBracketed(first) ? addressOf(first.slice(1, -1)) : undefined);
  if (!ip) return undefined;
  const name = said ?? (inParentheses ? first : undefined);
  return { ip, helo: name };
}

const isBracketed = (text: string): boolean => /^\[.*\]$/.test(text);

const addressOf = (text: string): Ip | undefined => parseIp(text.replace(/^IPv6:/i, ''));

function lastAddress(text: string): Ip | undefined {
  const bracketed = [...text.matchAll(/\[([0-9a-f:.]{2,45}|IPv6:[0-9a-f:.]{2,45})\]/gi)].at(-1)?.[1];
  if (bracketed !== undefined) return addressOf(bracketed);
  const bare = [...text.matchAll(/\(([0-9a-f:.]{2,45})\)/gi)].at(-1)?.[1];
  return bare === undefined ? undefined : addressOf(bare);
}

/**
 * The first client that is none of the forwarding hosts. `received` are the fields in the order of the header, the
 * latest first.
 */
export function trueClient(received: readonly string[], forwarders: readonly Network[]): Hop | undefined {
  for (const value of received) {
    const hop = readReceived(value);
    if (!hop || !inAny(forwarders, hop.ip)) return hop;
  }
  return undefined;
}
