/**
 * What npm mailauth is given to read: the message, within limits. Some of its loops are quadratic: in the lines of
 * the header, in the addresses of From:, in the names that a signature lists, and in a line's length. The limits are
 * far above what is sent in earnest. It also prints on stdout where l= is beyond the end of the body, so signatures
 * with l= reach it only if they cover the whole body. Leaves their verification to verify.ts.
 */
import type { Field, Header } from '../mail/header.js';
import { areReadable } from '../mail/mailboxes.js';
import type { MessageSource } from '../mail/message.js';
import { bodyOf, canonicalLength } from './body.js';

const limits = {
  /** Newest first; more are not looked at (RFC 6376 §6.1 leaves it to the verifier). */
  signatures: 8,
  /** Octets; of a signature, or a field of an ARC set. */
  signatureSize: 16_384,
  /** Sets of ARC fields have three fields each. */
  arcFields: 60,
  /** Lines and octets of the header section. */
  headerLines: 5000,
  headerSize: 256 * 1024,
  /** Names in all h= tags together, times fields of the header. */
  signedNames: 500_000,
  /** Octets of a body line (RFC 5322 §2.1.1: 998). */
  line: 512 * 1024,
} as const;

export type Screened =
  | {
      readonly kind: 'readable';
      readonly octets: () => AsyncIterable<Buffer>;
      /** The tags of the signatures that are handed on, in order. */
      readonly read: readonly Tags[];
      readonly unread: readonly UnreadSignature[];
      /** The fields of ARC are not handed on: too many, too large, malformed, or with l=. */
      readonly isChainUnread: boolean;
    }
  | { readonly kind: 'over the limits'; readonly why: string };

/** A signature that is not handed on, for what it is. */
export interface UnreadSignature {
  readonly result: 'policy' | 'permerror';
  readonly why: string;
  /** As given. */
  readonly domain: string;
  readonly selector: string;
}

/** Names in lower case, values without white space. */
export type Tags = ReadonlyMap<string, string>;

export class TooLong extends Error {}

const arcNames = ['arc-seal', 'arc-message-signature', 'arc-authentication-results'];

export async function screen(message: MessageSource, header: Header): Promise<Screened> {
  const size = header.fields.reduce((sum, { raw }) => sum + raw.length, 0);
  const problem = tooLarge(header, size);
  if (problem !== undefined) return { kind: 'over the limits', why: problem };
  const arcFields = header.fields.filter(({ name }) => arcNames.includes(name));
  const isChain = arcFields.length <= limits.arcFields && arcFields.every(isReadable);
  const read: Tags[] = [];
  const unread: UnreadSignature[] = [];
  const without = new Set<Field>(isChain ? [] : arcFields);
  let signatures = 0;
  for (const field of header.fields) {
    if (field.name !== 'dkim-signature') continue;
    const isLookedAt = ++signatures <= limits.signatures && isSmall(field);
    const tags = isLookedAt ? tagsOf(field.value) : undefined;
    const why = tags ? await whyUnread(tags, () => bodyOf(message, size)) : malformed;
    if (tags && !why) read.push(tags);
    else without.add(field);
    if (isLookedAt && why) unread.push({ ...why, domain: tags?.get('d') ?? '', selector: tags?.get('s') ?? '' });
  }
  const kept = header.fields.filter((field) => !without.has(field));
  const head = Buffer.concat([...kept.map(({ raw }) => withLineEnd(raw)), Buffer.from('\r\n')]);
  return { kind: 'readable', octets: () => octetsOf(head, message, size), read, unread, isChainUnread: !isChain };
}

function tooLarge(header: Header, size: number): string | undefined {
  const lines = header.fields.reduce((sum, { raw }) => sum + linesOf(raw), 0);
  if (size > limits.headerSize || lines > limits.headerLines) return 'the header section is too large to be verified';
  if (!areReadable(header.all('from'))) return 'From: is too large to be verified';
  const names = header.fields
    .filter(({ name }) => name === 'dkim-signature' || name === 'arc-message-signature')
    .reduce((sum, { value }) => sum + value.split(':').length, 0);
  return names * header.fields.length > limits.signedNames ? 'too many fields are signed to be verified' : undefined;
}

type Unread = Pick<UnreadSignature, 'result' | 'why'>;

const malformed: Unread = { result: 'permerror', why: 'malformed' };

/** Undefined: the signature is fit to be verified. */
async function whyUnread(tags: Tags, body: () => AsyncIterable<Buffer>): Promise<Unread | undefined> {
  // RFC 8301 §3.1
  if (/^rsa-sha1$/i.test(tags.get('a') ?? '')) return { result: 'policy', why: 'rsa-sha1 is not believed' };
  const covered = tags.get('l');
  if (covered === undefined) return undefined;
  if (!/^\d{1,76}$/.test(covered)) return malformed;
  const canonicalization = /^[^/]*\/relaxed$/i.test(tags.get('c') ?? '') ? 'relaxed' : 'simple';
  const length = await canonicalLength(body(), canonicalization);
  if (Number(covered) === length) return undefined;
  // RFC 6376 §8.2: what l= leaves out, anybody may have added.
  return Number(covered) < length
    ? { result: 'policy', why: 'signs part of the body only (l=)' }
    : { result: 'permerror', why: 'signs more than the body (l=)' };
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
 * RFC 6376 §3.2: tags by name, in lower case, without white space in their values; undefined where it is no list of
 * tags. mailauth reads comments and quotes there, which the RFC does not have, so what is in them must be a tag here,
 * or nothing.
 */
export function tagsOf(signature: string): Tags | undefined {
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

async function* octetsOf(head: Buffer, message: MessageSource, headerSize: number): AsyncIterable<Buffer> {
  yield head;
  let line = 0;
  for await (const piece of bodyOf(message, headerSize)) {
    line = lengthOfLine(piece, line);
    yield piece;
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
