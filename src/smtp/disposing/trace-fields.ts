/** The fields that postern puts on top of a mail, archived or relayed (srv-and-spam §5). */
import { Buffer } from 'node:buffer';
import type { AuthenticationResult, ClientName, TlsSeen } from '../../hooks/plugin.js';
import type { ShownField } from '../../mail/edits/header-edits.js';
import type { Ip } from '../../mail/ip.js';
import { asciiText, fieldText } from '../../mail/text.js';
import { authenticationResultsName, writeAuthenticationResults } from '../../spf/fields/authentication-results.js';
import { tlsComments } from '../tls-facts.js';

/** Who has said HELO, and to whom. */
export interface TracedClient {
  readonly hostname: string;
  /** undefined in the clear. */
  readonly tls: TlsSeen | undefined;
  readonly helo: string;
  readonly ip: Ip;
  readonly name: ClientName;
}

/** The client's part of the fields, which all its mails have in common. */
export interface ClientFields {
  /** Received: as far as the protocol. */
  readonly received: string;
  /** X-HELO, X-REMOTE-IP, X-REMOTE-HOST. */
  readonly remote: string;
}

export function clientFields({ hostname, tls, helo, ip, name }: TracedClient): ClientFields {
  const named = name.kind === 'confirmed' || name.kind === 'unconfirmed' ? name.name : '';
  const comments = (tls ? tlsComments(tls) : []).map((comment) => `\r\n\t${comment}`).join('');
  return {
    received: `Received: ${oneField(`${fromClause(helo, ip, name)}${comments}\r\n\tby ${hostname} (postern) with `)}`,
    remote:
      fieldLine('X-HELO', asciiText(helo)) + fieldLine('X-REMOTE-IP', ip.text) + fieldLine('X-REMOTE-HOST', named),
  };
}

/** RFC 5321 §4.4. Only a forward-confirmed name is stated as the client's. */
function fromClause(helo: string, ip: Ip, name: ClientName): string {
  const host = name.kind === 'confirmed' ? name.name : 'unknown';
  const address = ip.family === 6 ? `IPv6:${ip.text}` : ip.text;
  // As Postfix does: what could open a comment or end the clause is no part of a host name. Neither is a blank, and
  // without SMTPUTF8 a field is ASCII.
  const from = helo.replace(/[^!-~]|[<>()\\";@]/gu, '?');
  return `from ${from === '' ? 'unknown' : from} (${host} [${address}])`;
}

/** What differs from mail to mail. */
export interface TracedMail {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** SMTP, ESMTP, ESMTPS, UTF8SMTP, UTF8SMTPS (RFC 3848, RFC 6531 §4.3). */
  readonly protocol: string;
  readonly reversePath: string;
  readonly domain: string;
  /** Fields of plugins, in order. */
  readonly added: readonly TraceField[];
  readonly authservId: string;
  /** One field for all of them; none where there are none. */
  readonly authentication: readonly AuthenticationResult[];
  /** Named only where there is one: the others' names are none of his business (RFC 5321 §7.2). */
  readonly recipient: { readonly text: string; readonly localPart: string } | undefined;
  readonly rejection: { readonly plugin: string; readonly reason: string } | undefined;
  /** What the client asks of delivery status notifications, where the mail is archived: a release passes it on. */
  readonly dsn: string | undefined;
}

type TraceField = readonly [name: string, value: string];

/** The fields as octets, each with its CRLF. */
export function traceFields(client: ClientFields, mail: TracedMail): Buffer {
  const { recipient, rejection } = mail;
  const to = recipient && oneField(recipient.text);
  const received = `${client.received}${mail.protocol} id ${mail.id}${to === undefined ? '' : `\r\n\tfor <${to}>`}`;
  let text = `${received};\r\n\t${dateTime(mail.time)}\r\n`;
  for (const [name, value] of mail.added) text += fieldLine(name, value);
  if (mail.authentication.length > 0) text += fieldLine(authenticationResultsName, authentication(mail));
  text += client.remote + fieldLine('X-MAIL-FROM', mail.reversePath);
  if (to !== undefined) text += `X-RCPT-TO: ${to}\r\n`;
  if (mail.domain !== '') text += fieldLine('X-DOMAIN', mail.domain);
  if (recipient) text += fieldLine('X-LOCALPART', recipient.localPart);
  if (mail.dsn) text += fieldLine('X-DSN', mail.dsn);
  if (rejection)
    text += fieldLine('X-REJECT-REASON', rejection.reason) + fieldLine('X-REJECT-PLUGIN', rejection.plugin);
  return Buffer.from(text, 'utf8');
}

const fieldLine = (name: string, value: string): string => `${name}: ${oneField(value)}\r\n`;

/** Those of ours that filters are shown: what checks found. The others are none of their business. */
export function shownOwnFields(
  facts: Pick<TracedMail, 'added' | 'authservId' | 'authentication'>,
): readonly ShownField[] {
  const found: TraceField[] = facts.added.filter(([name]) => !/^x-/i.test(name));
  if (facts.authentication.length > 0) found.push([authenticationResultsName, authentication(facts)]);
  return found.map(([name, value]) => ({
    name,
    text: Buffer.from(` ${oneField(value).replaceAll('\r\n', '\n')}`).toString('latin1'),
  }));
}

/** A client's next mail mostly has the same results, and the same text of a plugin. */
const authentications = new Map<string, string>();
const folded = new Map<string, string>();
const maxRemembered = 1_000;

function remember(texts: Map<string, string>, key: string, text: string): string {
  if (texts.size >= maxRemembered) texts.clear();
  texts.set(key, text);
  return text;
}

function authentication({
  authservId,
  authentication: results,
}: Pick<TracedMail, 'authservId' | 'authentication'>): string {
  let key = authservId;
  // Client text may look like another result: no blank parts what stands in the key.
  for (const { method, result, details } of results) key += `\0${method}=${result}\0${details.join('\0\0')}`;
  if (key.length > maxRememberedLength) return writeAuthentication(authservId, results);
  return authentications.get(key) ?? remember(authentications, key, writeAuthentication(authservId, results));
}

function writeAuthentication(authservId: string, results: readonly AuthenticationResult[]): string {
  const methods = results.map(({ method, result, details }) => [`${method}=${result}`, ...details]);
  return writeAuthenticationResults({ authservId, methods }, { folded: true });
}

/** Values may be folded by a line break and a tab; every other control character is taken out. */
function oneField(value: string): string {
  if (value.length > maxRememberedLength) return eachLine(value);
  if (!value.includes('\n')) return fieldText(value);
  return folded.get(value) ?? remember(folded, value, eachLine(value));
}

/** Longer values are read, or written, each time. */
const maxRememberedLength = 1_000;

const eachLine = (value: string): string =>
  value
    .split(/\r?\n\t/)
    .map((part) => fieldText(part))
    .join('\r\n\t');

/** RFC 5322 §3.3 date-time in local time; the mails of one second share its text. */
function dateTime(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== last.second) last = { second, text: writeDateTime(new Date(ms)) };
  return last.text;
}

let last = { second: NaN, text: '' };

function writeDateTime(time: Date): string {
  const offset = -time.getTimezoneOffset();
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][time.getDay()];
  const month = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'][time.getMonth()];
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':');
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  return `${day}, ${time.getDate()} ${month} ${time.getFullYear()} ${clock} ${zone}`;
}
