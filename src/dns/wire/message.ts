/**
 * DNS messages (RFC 1035 §4, RFC 6891): writes a query, recognises its answer, takes an answer apart.
 * Any octets may come in; nothing here throws. What an answer means is `stub/reading.ts`.
 *
 * Our own, because npm dns-packet reads and writes labels as UTF-8 and throws away a whole answer for one odd record.
 */
import { decodeName, lowerName, skipName } from './name.js';
import type { RecordType } from '../resolver.js';

export const typeCode = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  TLSA: 52,
  CAA: 257,
} as const;
export const classIn = 1;
export const rcode = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;

const headerLength = 12;
const recursionDesired = 0x0100;
const truncated = 0x0200;
const authoritative = 0x0400;
const recursionAvailable = 0x0080;
const authenticData = 0x0020;

/** 1232 octets pass every usual path unfragmented (DNS flag day 2020). */
const ednsOctets = 1232;
const optRecord = Buffer.from([0, 0, typeCode.OPT, ednsOctets >> 8, ednsOctets & 255, 0, 0, 0, 0, 0, 0]);

/** One record of an answer section; its data lie in `octets` from `start` to `end`. */
export interface AnswerRecord {
  /** Lower-cased owner name. */
  readonly owner: string;
  readonly type: number;
  readonly class: number;
  /** Seconds. */
  readonly ttl: number;
  readonly start: number;
  readonly end: number;
}

export interface Message {
  readonly octets: Buffer;
  /** With the extension bits of EDNS. */
  readonly rcode: number;
  readonly truncated: boolean;
  readonly answers: readonly AnswerRecord[];
  /** Seconds a negative answer may be kept (RFC 2308 §5); undefined without an SOA. */
  readonly negativeTtl: number | undefined;
  /**
   * Points to other servers instead of answering (RFC 2308 §2.1.1): the server is lame for us. One that offers
   * recursion says with the same sections that there is no such record, and leaves out the SOA.
   */
  readonly referral: boolean;
  /** Whether there is an OPT record; not known of a truncated message. */
  readonly edns: boolean;
  /** Whether the server says that it has validated the answer (AD, RFC 4035 §3.2.3). */
  readonly validated: boolean;
}

export interface QueryParts {
  readonly id: number;
  /** Wire form. */
  readonly name: Buffer;
  readonly type: RecordType;
  readonly edns: boolean;
  /** Whether to ask the server to say if it has validated the answer (RFC 6840 §5.7). */
  readonly wantsValidated?: boolean;
}

export function encodeQuery({ id, name, type, edns, wantsValidated = false }: QueryParts): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(recursionDesired | (wantsValidated ? authenticData : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(edns ? 1 : 0, 10);
  const tail = Buffer.from([typeCode[type] >> 8, typeCode[type] & 255, 0, classIn]);
  return Buffer.concat(edns ? [header, name, tail, optRecord] : [header, name, tail]);
}

/**
 * Is this the answer to our query: our id, a response to a plain query, our question alone, compared without case?
 * Old servers answer an EDNS query with FORMERR and no question (RFC 6891 §7): that alone may lack it.
 */
export function answersQuery(octets: Buffer, query: Buffer): boolean {
  if (octets.length < headerLength || octets.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  if ((octets.readUInt16BE(2) & 0xf800) !== 0x8000) return false;
  const questions = octets.readUInt16BE(4);
  if (questions === 0) return headerRcode(octets) === rcode.FORMERR;
  return questions === 1 && question(octets, query) === question(query, query);
}

/**
 * The question of `octets`, as long as that of `query`; length octets and types are below 'A' and so keep their
 * value.
 */
function question(octets: Buffer, query: Buffer): string {
  const end = (skipName(query, headerLength) ?? headerLength) + 4;
  return lowerName(octets.toString('latin1', headerLength, end));
}

const headerRcode = (octets: Buffer): number => octets.readUInt16BE(2) & 0x000f;

/** Takes a message apart; undefined when it is malformed. The sections of a truncated one are left alone. */
export function decodeMessage(octets: Buffer): Message | undefined {
  if (octets.length < headerLength) return undefined;
  const flags = octets.readUInt16BE(2);
  if ((flags & truncated) !== 0) return { ...nothing, octets, rcode: headerRcode(octets), truncated: true };
  const sections = readSections(octets);
  const answers = sections?.answer.map((record) => withOwner(octets, record));
  if (!sections || !answers?.every((record) => record !== undefined)) return undefined;
  const soa = sections.authority.find((record) => isIn(record, typeCode.SOA));
  const hasNs = sections.authority.some((record) => isIn(record, typeCode.NS));
  const opt = sections.additional.find(({ type }) => type === typeCode.OPT);
  return {
    octets,
    rcode: headerRcode(octets) | extendedRcode(opt),
    truncated: false,
    answers,
    negativeTtl: soa && negativeTtl(octets, soa),
    referral: answers.length === 0 && hasNs && !soa && (flags & (authoritative | recursionAvailable)) === 0,
    edns: opt !== undefined,
    validated: (flags & authenticData) !== 0,
  };
}

const nothing = { answers: [], negativeTtl: undefined, referral: false, edns: false, validated: false } as const;

interface RecordSpan extends Omit<AnswerRecord, 'owner'> {
  readonly at: number;
}

interface Sections {
  readonly answer: readonly RecordSpan[];
  readonly authority: readonly RecordSpan[];
  readonly additional: readonly RecordSpan[];
}

const isIn = (record: RecordSpan, type: number): boolean => record.type === type && record.class === classIn;

function readSections(octets: Buffer): Sections | undefined {
  let at: number | undefined = headerLength;
  for (let left = octets.readUInt16BE(4); left > 0 && at !== undefined; left--) at = skipQuestion(octets, at);
  const answer = readRecords(octets, { at, count: octets.readUInt16BE(6) });
  const authority = readRecords(octets, { at: answer?.next, count: octets.readUInt16BE(8) });
  const additional = readRecords(octets, { at: authority?.next, count: octets.readUInt16BE(10) });
  if (!answer || !authority || !additional) return undefined;
  return { answer: answer.records, authority: authority.records, additional: additional.records };
}

function skipQuestion(octets: Buffer, at: number): number | undefined {
  const end = skipName(octets, at);
  return end === undefined || end + 4 > octets.length ? undefined : end + 4;
}

function readRecords(octets: Buffer, { at, count }: { at: number | undefined; count: number }) {
  const records: RecordSpan[] = [];
  let next = at;
  while (next !== undefined && records.length < count) {
    const record = readRecord(octets, next);
    if (record) records.push(record);
    next = record?.end;
  }
  return next === undefined ? undefined : { records, next };
}

function readRecord(octets: Buffer, at: number): RecordSpan | undefined {
  const head = skipName(octets, at);
  if (head === undefined || head + 10 > octets.length) return undefined;
  const start = head + 10;
  const end = start + octets.readUInt16BE(head + 8);
  if (end > octets.length) return undefined;
  const type = octets.readUInt16BE(head);
  return { at, type, class: octets.readUInt16BE(head + 2), ttl: octets.readUInt32BE(head + 4), start, end };
}

function withOwner(octets: Buffer, { at, ...record }: RecordSpan): AnswerRecord | undefined {
  const owner = decodeName(octets, at)?.name;
  return owner === undefined ? undefined : { ...record, owner: lowerName(owner), ttl: seconds(record.ttl) };
}

/** RFC 2181 §8: a TTL with the highest bit set counts as zero. */
const seconds = (ttl: number): number => (ttl > 0x7fffffff ? 0 : ttl);

/** MINIMUM is the last field of an SOA, whatever its names are. */
function negativeTtl(octets: Buffer, soa: RecordSpan): number | undefined {
  if (soa.end - soa.start < 22) return undefined;
  return Math.min(seconds(soa.ttl), seconds(octets.readUInt32BE(soa.end - 4)));
}

/** RFC 6891 §6.1.3: the upper eight bits of the RCODE stand in the OPT record's TTL. */
const extendedRcode = (opt: RecordSpan | undefined): number => (opt ? (opt.ttl >>> 24) << 4 : 0);
