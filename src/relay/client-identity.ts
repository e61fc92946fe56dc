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

/** What can be told of a client. */
export interface Attribute {
  readonly name: string;
  of(client: ClientIdentity): string;
}

const known: readonly Attribute[] = [
  { name: 'ADDR', of: ({ clientIp }) => addressValue(clientIp) },
  { name: 'NAME', of: ({ clientName }) => value(clientName) },
  { name: 'PROTO', of: ({ protocol }) => protocol },
  { name: 'SOURCE', of: () => 'REMOTE' },
  { name: 'HELO', of: ({ helo }) => value(helo) },
];

/** Those that we know of what the MTA wants: `offered` is what stands behind the keyword in its reply to EHLO. */
export function attributesIn(offered: string): readonly Attribute[] {
  const wanted = new Set(offered.toUpperCase().split(/\s+/));
  return known.filter(({ name }) => wanted.has(name));
}

/**
 * XFORWARD, for one transaction: the MTA logs the client, but judges us. As many lines as are needed;
 * attributes of several lines add up. None when the MTA wants no attribute that we know.
 */
export function xforwardCommands(client: ClientIdentity, wanted: readonly Attribute[]): string[] {
  return commandLines('XFORWARD', client, wanted);
}

/**
 * XCLIENT: from here on the MTA takes us for the client. Its session starts anew, so it is one line, and if
 * the HELO name does not fit, the EHLO that follows says it. '' when the MTA wants no attribute that we know.
 */
export function xclientCommand(client: ClientIdentity, wanted: readonly Attribute[]): string {
  const allowed = wanted.filter(({ name }) => name !== 'SOURCE');
  return commandLines('XCLIENT', client, allowed)[0] ?? '';
}

/**
 * The client's HELO argument where it can be said again in an EHLO: a domain or an address literal (RFC 5321
 * §4.1.1.1).
 */
export const repeatableHelo = (helo: string): boolean =>
  /^[a-z0-9_](?:[a-z0-9._-]{0,252}[a-z0-9_])?$/i.test(helo) || /^\[[a-z0-9.:-]{2,60}\]$/i.test(helo);

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

function commandLines(verb: string, client: ClientIdentity, attributes: readonly Attribute[]): string[] {
  const lines: string[] = [];
  let line = verb;
  for (const attribute of attributes) {
    const text = ` ${attribute.name}=${attribute.of(client)}`;
    if (line !== verb && line.length + text.length > maxLine) {
      lines.push(line);
      line = verb;
    }
    line += text;
  }
  if (line !== verb) lines.push(line);
  return lines;
}
