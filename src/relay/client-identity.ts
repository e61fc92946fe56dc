/**
 * Telling the MTA who our client was: Postfix's XFORWARD and XCLIENT (XFORWARD_README, XCLIENT_README), as command
 * lines. Pure: transaction.ts sends them. Only attributes that the MTA names in its EHLO reply are used.
 */
import type { Ip } from '../mail/ip.js';

export interface ClientIdentity {
  readonly clientIp: Ip;
  /** '' when unknown. */
  readonly clientName: string;
  readonly helo: string;
  readonly protocol: 'SMTP' | 'ESMTP';
}

/** Command lines of at most 512 octets, CRLF included (RFC 5321 §4.5.3.1.4). */
const maxLine = 510;
/** Encoded: leaves room for the keyword, and no host name or HELO of use is longer. */
const maxValue = 400;

/**
 * XFORWARD, for one transaction: the MTA logs the client, but judges us. As many lines as are needed;
 * attributes of several lines add up. None when the MTA wants no attribute that we know.
 */
export function xforwardCommands(client: ClientIdentity, offered: string): readonly string[] {
  return commandLines('XFORWARD', attributesOf(client, offered));
}

/**
 * XCLIENT: from here on the MTA takes us for the client. Its session starts anew, so it is one line, and if
 * the HELO name does not fit, the EHLO that follows says it. '' when the MTA wants no attribute that we know.
 */
export function xclientCommand(client: ClientIdentity, offered: string): string {
  return commandLines('XCLIENT', attributesOf(client, offered.replace(/\bSOURCE\b/gi, '')))[0] ?? '';
}

/**
 * The client's HELO argument where it can be said again in an EHLO: a domain or an address literal (RFC 5321
 * §4.1.1.1).
 */
export const repeatableHelo = (helo: string): boolean =>
  /^[a-z0-9_](?:[a-z0-9._-]{0,252}[a-z0-9_])?$/i.test(helo) || /^\[[a-z0-9.:-]{2,60}\]$/i.test(helo);

function attributesOf(client: ClientIdentity, offered: string): readonly string[] {
  if (offered === '') return [];
  const wanted = wantedOf(offered);
  const values: readonly (readonly [string, string])[] = [
    ['ADDR', addressValue(client.clientIp)],
    ['NAME', value(client.clientName)],
    ['PROTO', client.protocol],
    ['SOURCE', 'REMOTE'],
    ['HELO', value(client.helo)],
  ];
  return values.filter(([name]) => wanted.has(name)).map(([name, text]) => `${name}=${text}`);
}

/** An MTA offers the same to each of our connections. */
function wantedOf(offered: string): ReadonlySet<string> {
  if (last.offered !== offered) last = { offered, wanted: new Set(offered.toUpperCase().split(/\s+/)) };
  return last.wanted;
}

let last: { readonly offered: string; readonly wanted: ReadonlySet<string> } = { offered: '', wanted: new Set() };

/** IPv6 with the prefix of RFC 2821's address literals. */
const addressValue = (ip: Ip): string => (ip.family === 6 ? `IPV6:${ip.text}` : ip.text);

const value = (text: string): string => (text === '' ? '[UNAVAILABLE]' : xtext(text));

/**
 * xtext (RFC 3461 §4): printable ASCII but `+`, `=` and space as it is, every other octet as `+` and two hex digits.
 */
export function xtext(text: string): string {
  if (plainXtext.test(text)) return text;
  let out = '';
  for (const octet of Buffer.from(text, 'utf8')) {
    const plain = octet > 0x20 && octet < 0x7f && octet !== 0x2b && octet !== 0x3d;
    out += plain ? String.fromCharCode(octet) : `+${octet.toString(16).toUpperCase().padStart(2, '0')}`;
    if (out.length > maxValue - 3) break;
  }
  return out;
}

/** It stays as it is; most host names and HELO arguments do. */
const plainXtext = /^[!-*,-<>-~]{0,200}$/;

function commandLines(verb: string, attributes: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const attribute of attributes) {
    const longer = `${lines.at(-1) ?? ''} ${attribute}`;
    if (lines.length > 0 && longer.length <= maxLine) lines[lines.length - 1] = longer;
    else lines.push(`${verb} ${attribute}`);
  }
  return lines;
}
