/**
 * The attributes of XCLIENT (Postfix' XCLIENT_README): who the client of a trusted proxy is. Whether the proxy is
 * trusted is the connection's question.
 */
import type { Result } from '../../mail/result.js';
import { type Ip, parseIp } from '../../mail/ip.js';

export interface XclientAttributes {
  /** undefined where ADDR is not given, or not known to the proxy. */
  readonly ip: Ip | undefined;
  /** Lower case; '' where the proxy knows of none, undefined where NAME is not given. */
  readonly name: string | undefined;
  /** Is there an ADDR, known or not? It names the client for good. */
  readonly namesClient: boolean;
}

/** PORT, PROTO, HELO and LOGIN are taken and have no effect: the client says its own HELO, and nobody logs in. */
export const xclientNames = ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'LOGIN'] as const;

const syntax = { ok: false, problem: 'Bad XCLIENT attribute' } as const;

/**
 * Reads what stands behind `XCLIENT`: `NAME=value` pairs, each value in xtext. Where an attribute is given twice, the
 * first counts.
 */
export function parseXclient(argument: string): Result<XclientAttributes> {
  const given = new Map<string, string>();
  for (const word of argument.split(/[ \t]+/)) {
    const [, name = '', xtext = ''] = /^([A-Za-z]+)=([^=]*)$/.exec(word) ?? [];
    const value = decodeXtext(xtext);
    if (!(xclientNames as readonly string[]).includes(name.toUpperCase()) || value === undefined) return syntax;
    if (!given.has(name.toUpperCase())) given.set(name.toUpperCase(), value);
  }
  const ip = known(given.get('ADDR'));
  const name = known(given.get('NAME'));
  const address = ip === undefined ? undefined : parseIp(ip.replace(/^IPV6:/i, ''));
  if (ip !== undefined && address === undefined) return { ok: false, problem: 'Bad XCLIENT address' };
  if (name !== undefined && !hostName.test(name)) return { ok: false, problem: 'Bad XCLIENT name' };
  return {
    ok: true,
    value: {
      ip: address,
      name: given.has('NAME') ? (name ?? '').toLowerCase().replace(/\.$/, '') : undefined,
      namesClient: given.has('ADDR'),
    },
  };
}

/** RFC 3461 §4; undefined where a control character hides in it. */
function decodeXtext(xtext: string): string | undefined {
  const value = xtext.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return /[\x00-\x1f\x7f-\x9f]/.test(value) ? undefined : value;
}

const known = (value: string | undefined): string | undefined =>
  value === undefined || value === '' || /^\[(?:UNAVAILABLE|TEMPUNAVAIL)\]$/i.test(value) ? undefined : value;

/** Names as they stand in PTR records, underscores included, with or without the final dot. */
const hostName =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i;
