/**
 * Header fields that only postern writes: one of those names that came with a mail is taken out of it, archived or
 * relayed (srv-and-spam §5). What we write ourselves is trace-fields.
 */
import type { Field, Header } from '../../mail/header.js';
import type { MessageSource } from '../../mail/message.js';
import { authservIdOf } from '../../spf/fields/authentication-results.js';

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
  'x-spf-trace',
]);

/** Authentication-Results is none: filters write it, too. */
export const isOwnField = (name: string): boolean => isOurs(name.toLowerCase());

/** Few fields of a mail begin as ours do: only they are looked up. */
const isOurs = (name: string): boolean => (name.startsWith('x-') ? ownFields.has(name) : name === 'received-spf');

/**
 * The message without the fields that only we may write, its other octets unchanged. Where its first line would
 * continue our last field (it begins with white space), an empty line goes before it: it is body then, as in Postfix.
 */
export function withoutOwnFields(message: MessageSource, { fields }: Header, authservId: string): MessageSource {
  const [first] = fields;
  if (first && continues(first)) return withHead(Buffer.from('\r\n'), message, 0);
  if (fields.every((field) => isKept(field, authservId))) return message;
  const kept = fields.filter((field) => isKept(field, authservId)).map(({ raw }) => raw);
  return withHead(Buffer.concat(kept), message, octetsOf(fields));
}

/** Would the line continue the field before it? It is none itself then. */
const continues = ({ name, raw }: Field): boolean => name === '' && (raw[0] === 0x20 || raw[0] === 0x09);

const octetsOf = (fields: readonly Field[]): number => fields.reduce((sum, { raw }) => sum + raw.length, 0);

const isKept = ({ name, value }: Field, authservId: string): boolean =>
  !isOurs(name) && !(name === 'authentication-results' && isFrom(authservId, value));

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
  const lines = end < 0 ? [] : kept.slice(end);
  return {
    fields: end < 0 ? kept : kept.slice(0, end),
    rest: Buffer.concat(lines.map(({ raw }) => raw)),
    separator: lines[0] && continues(lines[0]) ? '\r\n' : '',
    octets: octetsOf(header.fields),
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
