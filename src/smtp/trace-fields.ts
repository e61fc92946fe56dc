/**
 * The fields that postern puts on top of a mail, archived or relayed (srv-and-spam §5), and the taking away of fields
 * of those names that came with it.
 */
import type { AuthenticationResult, ClientName } from '../hooks/plugin.js';
import type { Field, Header } from '../mail/header.js';
import type { ShownField } from '../mail/edits/header-edits.js';
import type { Ip } from '../mail/ip.js';
import type { MessageSource } from '../mail/message.js';
import { asciiText, fieldText } from '../mail/text.js';
import { type TlsFacts, tlsComments } from './tls-facts.js';
import {
  authenticationResultsName,
  authservIdOf,
  writeAuthenticationResults,
} from '../spf/fields/authentication-results.js';

/** Ours; whoever reads one of them must be able to trust it. Authentication-Results only under our own authserv-id. */
const ownFields = new Set([
  'x-helo',
  'x-remote-ip',
  'x-remote-host',
  'x-mail-from',
  'x-rcpt-to',
  'x-domain',
  'x-localpart',
  'x-dkim-result',
  'x-dmarc-result',
  'x-spam-result',
  'x-quarantine',
  'x-dsn',
  'x-reject-reason',
  'x-reject-plugin',
  'received-spf',
  'x-spf-trace',
]);

export interface TraceFacts {
  readonly id: string;
  readonly time: Date;
  readonly hostname: string;
  /** undefined in the clear. */
  readonly tls: TlsFacts | undefined;
  /** SMTP, ESMTP, ESMTPS, UTF8SMTP, UTF8SMTPS (RFC 3848, RFC 6531 §4.3). */
  readonly protocol: string;
  readonly helo: string;
  readonly clientIp: Ip;
  readonly clientName: ClientName;
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
export function traceFields(facts: TraceFacts): Buffer {
  const named =
    facts.clientName.kind === 'confirmed' || facts.clientName.kind === 'unconfirmed' ? facts.clientName.name : '';
  let text = fieldLine('Received', received(facts));
  for (const [name, value] of facts.added) text += fieldLine(name, value);
  if (facts.authentication.length > 0) text += fieldLine(authenticationResultsName, authentication(facts));
  text += fieldLine('X-HELO', asciiText(facts.helo));
  text += fieldLine('X-REMOTE-IP', facts.clientIp.text);
  text += fieldLine('X-REMOTE-HOST', named);
  text += fieldLine('X-MAIL-FROM', facts.reversePath);
  if (facts.recipient) text += fieldLine('X-RCPT-TO', facts.recipient.text);
  if (facts.domain !== '') text += fieldLine('X-DOMAIN', facts.domain);
  if (facts.recipient) text += fieldLine('X-LOCALPART', facts.recipient.localPart);
  if (facts.dsn) text += fieldLine('X-DSN', facts.dsn);
  if (facts.rejection)
    text += fieldLine('X-REJECT-REASON', facts.rejection.reason) + fieldLine('X-REJECT-PLUGIN', facts.rejection.plugin);
  return Buffer.from(text, 'utf8');
}

const fieldLine = (name: string, value: string): string => `${name}: ${oneField(value)}\r\n`;

/** Those of ours that filters are shown: what checks found. The others are none of their business. */
export function shownOwnFields(
  facts: Pick<TraceFacts, 'added' | 'authservId' | 'authentication'>,
): readonly ShownField[] {
  const found: TraceField[] = facts.added.filter(([name]) => !/^x-/i.test(name));
  if (facts.authentication.length > 0) found.push([authenticationResultsName, authentication(facts)]);
  return found.map(([name, value]) => ({
    name,
    text: Buffer.from(` ${oneField(value).replaceAll('\r\n', '\n')}`).toString('latin1'),
  }));
}

/** Authentication-Results is none: filters write it, too. */
export const isOwnField = (name: string): boolean => ownFields.has(name.toLowerCase());

function authentication({
  authservId,
  authentication: results,
}: Pick<TraceFacts, 'authservId' | 'authentication'>): string {
  const methods = results.map(({ method, result, details }) => [`${method}=${result}`, ...details]);
  return writeAuthenticationResults({ authservId, methods }, { folded: true });
}

/** Values may be folded by a line break and a tab; every other control character is taken out. */
function oneField(value: string): string {
  if (value.length <= maxPlain && plainField.test(value))
    return value.includes('\n') ? value.replace(/\r?\n/g, '\r\n') : value;
  return value
    .split(/\r?\n\t/)
    .map((part) => fieldText(part))
    .join('\r\n\t');
}

/** Nothing in it has to be looked at more closely. */
const plainField = /^[\x20-\x7e]*(?:\r?\n\t[\x20-\x7e]*)*$/;
/** No line of it is too long. */
const maxPlain = 500;

/** RFC 5321 §4.4. Only a forward-confirmed name is stated as the client's. */
function received(facts: TraceFacts): string {
  const name = facts.clientName.kind === 'confirmed' ? facts.clientName.name : 'unknown';
  const address = facts.clientIp.family === 6 ? `IPv6:${facts.clientIp.text}` : facts.clientIp.text;
  const tls = (facts.tls ? tlsComments(facts.tls) : []).map((comment) => `\r\n\t${comment}`).join('');
  const by = `${tls}\r\n\tby ${facts.hostname} (postern) with ${facts.protocol} id ${facts.id}`;
  const recipient = facts.recipient ? `\r\n\tfor <${facts.recipient.text}>` : '';
  // As Postfix does: what could open a comment or end the clause is no part of a host name. Neither is a blank, and
  // without SMTPUTF8 a field is ASCII.
  const helo = facts.helo.replace(/[^!-~]|[<>()\\";@]/gu, '?');
  return `from ${helo === '' ? 'unknown' : helo} (${name} [${address}])${by}${recipient};\r\n\t${dateTime(facts.time)}`;
}

/** RFC 5322 §3.3 date-time in local time; the mails of one second share its text. */
function dateTime(time: Date): string {
  const second = Math.floor(time.getTime() / 1000);
  if (second !== last.second) last = { second, text: writeDateTime(time) };
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

/**
 * The message without the fields that only we may write, its other octets unchanged. Where its first line would
 * continue our last field (it begins with white space), an empty line goes before it: it is body then, as in Postfix.
 */
export function withoutOwnFields(message: MessageSource, header: Header, authservId: string): MessageSource {
  const kept = keptFields(header, authservId);
  const first = header.fields[0]?.raw[0];
  if (first === 0x20 || first === 0x09) return withHead(Buffer.from('\r\n'), message, 0);
  if (kept === undefined) return message;
  const skipped = header.fields.reduce((sum, field) => sum + field.raw.length, 0);
  return withHead(Buffer.concat(kept), message, skipped);
}

/** undefined when all fields stay. */
function keptFields(header: Header, authservId: string): Buffer[] | undefined {
  const kept = header.fields.filter((field) => isKept(field, authservId));
  return kept.length === header.fields.length ? undefined : kept.map((field) => field.raw);
}

const isKept = ({ name, value }: Field, authservId: string): boolean =>
  !ownFields.has(name) && !(name === 'authentication-results' && isFrom(authservId, value));

/** The header section of the message, as others will read it. */
export interface HeaderSplit {
  /** Without those that only we may write, up to the first line that is none. */
  readonly fields: readonly Field[];
  /** That line and what stands behind it in the header section: for an MTA, the body begins there. */
  readonly rest: Buffer;
  /** It goes before the rest, where that would continue the field before it. */
  readonly separator: string;
  /** Those of the header section in all, without the empty line that ends it. */
  readonly octets: number;
}

export function fieldsBelow(header: Header, authservId: string): HeaderSplit {
  const kept = header.fields.filter((field) => isKept(field, authservId));
  const end = kept.findIndex(({ name }) => name === '');
  const fields = end < 0 ? kept : kept.slice(0, end);
  const lines = end < 0 ? [] : kept.slice(end).map(({ raw }) => raw);
  const continues = lines[0]?.[0] === 0x20 || lines[0]?.[0] === 0x09;
  return {
    fields,
    rest: Buffer.concat(lines),
    separator: continues ? '\r\n' : '',
    octets: header.fields.reduce((sum, { raw }) => sum + raw.length, 0),
  };
}

/** It is true even where the rest of the field is malformed: a reader might be content with its beginning. */
const isFrom = (authservId: string, value: string): boolean =>
  authservIdOf(value)?.toLowerCase() === authservId.toLowerCase();

/** `head`, then the message from `skip` on. */
export function withHead(head: Buffer, message: MessageSource, skip: number): MessageSource {
  return {
    size: head.length + message.size - skip,
    parts() {
      const parts = message.parts();
      return Array.isArray(parts)
        ? [head, ...skipArray(parts as readonly Buffer[], skip)]
        : skipStream(head, parts as AsyncIterable<Buffer>, skip);
    },
  };
}

function skipArray(parts: readonly Buffer[], skip: number): Buffer[] {
  let left = skip;
  return parts.flatMap((part) => {
    const rest = part.subarray(Math.min(left, part.length));
    left -= part.length - rest.length;
    return rest.length > 0 ? [rest] : [];
  });
}

async function* skipStream(head: Buffer, parts: AsyncIterable<Buffer>, skip: number): AsyncIterable<Buffer> {
  yield head;
  let left = skip;
  for await (const part of parts) {
    const rest = part.subarray(Math.min(left, part.length));
    left -= part.length - rest.length;
    if (rest.length > 0) yield rest;
  }
}
