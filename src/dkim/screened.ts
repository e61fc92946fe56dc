/**
 * What npm mailauth is given to read: the message, within limits. Some of its loops are quadratic, in the lines of the
 * header, in names that a signature lists, and in a line's length; the limits are far above what is sent in earnest. And
 * it prints something on stdout where l= is beyond the end of the body, so signatures with l= do not reach it.
 */
import type { Field, Header } from '../mail/header.js';
import type { MessageSource } from '../mail/message.js';

export const limits = {
  /** Newest first; more are not looked at (RFC 6376 §6.1 leaves it to the verifier). */
  signatures: 8,
  /** Octets; of a signature, or a field of an ARC set. */
  signatureSize: 16_384,
  /** Sets of ARC fields have three fields each. */
  arcFields: 60,
  /** Lines and octets of the header section. */
  headerLines: 5000,
  headerSize: 512 * 1024,
  /** Octets of a body line (RFC 5322 §2.1.1: 998). */
  line: 512 * 1024,
} as const;

export type Screened =
  | {
      readonly kind: 'readable';
      readonly octets: () => AsyncIterable<Buffer>;
      readonly unread: readonly UnreadSignature[];
      /** The fields of ARC are not handed on: too many, too large, malformed, or with l=. */
      readonly isChainUnread: boolean;
    }
  | { readonly kind: 'over the limits'; readonly why: string };

/** One that is not handed on, for what it is. */
export interface UnreadSignature {
  readonly why: 'signs part of the body only (l=)' | 'malformed';
  /** As given. */
  readonly domain: string;
  readonly selector: string;
}

export class TooLong extends Error {}

const arcNames = ['arc-seal', 'arc-message-signature', 'arc-authentication-results'];

export function screen(message: MessageSource, header: Header): Screened {
  const size = header.fields.reduce((sum, { raw }) => sum + raw.length, 0);
  const lines = header.fields.reduce((sum, { raw }) => sum + linesOf(raw), 0);
  if (size > limits.headerSize || lines > limits.headerLines)
    return { kind: 'over the limits', why: 'the header section is too large to be verified' };
  const arcFields = header.fields.filter(({ name }) => arcNames.includes(name));
  const isChain = arcFields.length <= limits.arcFields && arcFields.every(isReadable);
  const unread: UnreadSignature[] = [];
  let signatures = 0;
  const kept = header.fields.filter((field) => {
    if (arcNames.includes(field.name)) return isChain;
    if (field.name !== 'dkim-signature') return true;
    if (++signatures > limits.signatures || !isSmall(field)) return false;
    const tags = tagsOf(field.value);
    if (tags && !tags.has('l')) return true;
    const why = tags ? 'signs part of the body only (l=)' : 'malformed';
    unread.push({ why, domain: tags?.get('d') ?? '', selector: tags?.get('s') ?? '' });
    return false;
  });
  const head = Buffer.concat([...kept.map(({ raw }) => withLineEnd(raw)), Buffer.from('\r\n')]);
  return { kind: 'readable', octets: () => octetsOf(head, message, size), unread, isChainUnread: !isChain };
}

/** ARC-Authentication-Results is no list of tags. */
function isReadable({ name, value, raw }: Field): boolean {
  if (!isSmall({ raw })) return false;
  const tags = name === 'arc-authentication-results' ? new Map<string, string>() : tagsOf(value);
  return tags !== undefined && !tags.has('l');
}

const isSmall = ({ raw }: { readonly raw: Buffer }): boolean => raw.length <= limits.signatureSize;

function linesOf(raw: Buffer): number {
  let lines = 1;
  for (let at = raw.indexOf(0x0a); at >= 0; at = raw.indexOf(0x0a, at + 1)) lines++;
  return lines;
}

const withLineEnd = (raw: Buffer): Buffer => (raw.at(-1) === 0x0a ? raw : Buffer.concat([raw, Buffer.from('\r\n')]));

/**
 * RFC 6376 §3.2: tags by name, in lower case, without white space in their values; undefined where it is no list of tags.
 * mailauth reads comments and quotes there, which the RFC does not have, so what is in them must be a tag here, or nothing.
 */
function tagsOf(signature: string): ReadonlyMap<string, string> | undefined {
  const tags = new Map<string, string>();
  for (const tag of signature.split(';')) {
    if (tag.trim() === '') continue;
    const at = tag.indexOf('=');
    const name = tag.slice(0, Math.max(at, 0)).trim().toLowerCase();
    if (!/^[a-z][a-z0-9_]*$/.test(name)) return undefined;
    tags.set(name, tag.slice(at + 1).replace(/[ \t\r\n]+/g, ''));
  }
  return tags;
}

/** The head, then the body: the message without its own header section and the empty line behind it. */
async function* octetsOf(head: Buffer, message: MessageSource, headerSize: number): AsyncIterable<Buffer> {
  yield head;
  let skip = headerSize + 2;
  let line = 0;
  for await (const part of message.parts()) {
    const body = part.subarray(Math.min(skip, part.length));
    skip -= part.length - body.length;
    if (body.length === 0) continue;
    line = lengthOfLine(body, line);
    yield body;
  }
}

/** How long the line is that is not ended yet; throws where one is too long. */
function lengthOfLine(body: Buffer, before: number): number {
  let start = -before;
  for (let end = body.indexOf(0x0a); end >= 0; end = body.indexOf(0x0a, end + 1)) {
    if (end - start > limits.line) throw new TooLong('a line is too long to be verified');
    start = end + 1;
  }
  if (body.length - start > limits.line) throw new TooLong('a line is too long to be verified');
  return body.length - start;
}
