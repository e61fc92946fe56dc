/**
 * What an answer means for one question: records, void, a failure, or a CNAME that must be asked for in turn.
 */
import { classIn, rcode, typeCode, type AnswerRecord, type Message } from '../wire/message.js';
import { lowerName } from '../wire/name.js';
import { decodeData, decodeTarget } from '../wire/record-data.js';
import type { RecordData, RecordType } from '../resolver.js';

/** How many CNAMEs are followed for one question, within answers and across them. Our choice: BIND follows 16 too. */
export const maxAliases = 16;

/** The lower-cased names from the one asked for to the one a CNAME led to last, and the shortest TTL on the way. */
export interface Trail {
  readonly names: readonly [string, ...string[]];
  readonly ttl: number;
}

export type Reading<T> =
  | { readonly kind: 'found'; readonly records: readonly T[]; readonly ttl: number }
  | { readonly kind: 'void'; readonly why: 'nxdomain' | 'nodata'; readonly ttl: number | undefined }
  | { readonly kind: 'alias'; readonly trail: Trail }
  | { readonly kind: 'failed'; readonly problem: string };

export const trailFrom = (name: string): Trail => ({ names: [lowerName(name)], ttl: Infinity });

/** The last name of a trail: the one to ask for. */
export const headOf = ({ names }: Trail): string => names[names.length - 1] ?? names[0];

/**
 * Reads an answer (RCODE 0 or 3, not truncated) to the question for `headOf(trail)`; records of other names and
 * classes do not count.
 */
export function readAnswer<T extends RecordType>(message: Message, type: T, trail: Trail): Reading<RecordData[T]> {
  const walked = followAliases(message, type, trail);
  if ('kind' in walked) return walked;
  const ttl = message.negativeTtl;
  // RFC 6604 §3: the RCODE speaks of the last name of the chain.
  if (message.rcode === rcode.NXDOMAIN) return { kind: 'void', why: 'nxdomain', ttl };
  const own = recordsOf(message, headOf(walked), typeCode[type]);
  if (own.length > 0) return found(message, type, { own, ttl: walked.ttl });
  return walked === trail ? { kind: 'void', why: 'nodata', ttl } : { kind: 'alias', trail: walked };
}

function followAliases(message: Message, type: RecordType, from: Trail): Trail | Reading<never> {
  let trail = from;
  for (;;) {
    if (recordsOf(message, headOf(trail), typeCode[type]).length > 0) return trail;
    const alias = recordsOf(message, headOf(trail), typeCode.CNAME)[0];
    if (!alias) return trail;
    const target = decodeTarget({ octets: message.octets, ...alias });
    if (target === undefined) return failed('malformed CNAME');
    if (trail.names.includes(lowerName(target))) return failed('CNAME loop');
    if (trail.names.length > maxAliases) return failed('CNAME chain too long');
    trail = { names: [...trail.names, lowerName(target)], ttl: Math.min(trail.ttl, alias.ttl) };
  }
}

const failed = (problem: string): Reading<never> => ({ kind: 'failed', problem });

function recordsOf(message: Message, owner: string, code: number): readonly AnswerRecord[] {
  return message.answers.filter((r) => r.type === code && r.class === classIn && r.owner === owner);
}

interface Own {
  readonly own: readonly AnswerRecord[];
  readonly ttl: number;
}

/** Records that name one host of several: what is wrong with one of them says nothing of the others. */
const oneOfSeveral: ReadonlySet<RecordType> = new Set(['MX', 'PTR', 'NS', 'SRV']);

function found<T extends RecordType>(message: Message, type: T, { own, ttl }: Own): Reading<RecordData[T]> {
  const data = own.map(({ start, end }) => decodeData(type, { octets: message.octets, start, end }));
  const records = data.filter((record) => record !== undefined);
  // An SPF record might be the malformed one of a name's TXT: those count only when all can be read.
  if (records.length === 0 || (records.length < own.length && !oneOfSeveral.has(type)))
    return failed(`malformed ${type} record`);
  return { kind: 'found', records, ttl: own.reduce((least, record) => Math.min(least, record.ttl), ttl) };
}
