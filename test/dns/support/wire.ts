/** Builds DNS messages octet by octet, right ones and wrong ones, without the code under test. */

export const T = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, OPT: 41 } as const;

export interface RecordParts {
  readonly owner?: string | Buffer;
  readonly type: number;
  readonly data: Buffer;
  readonly ttl?: number;
  readonly class?: number;
}

export interface MessageParts {
  readonly id: number;
  readonly question: Buffer;
  readonly flags?: number;
  readonly rcode?: number;
  readonly answers?: readonly RecordParts[];
  readonly authority?: readonly RecordParts[];
  readonly additional?: readonly RecordParts[];
}

export const u16 = (n: number): Buffer => Buffer.from([(n >> 8) & 255, n & 255]);
const u32 = (n: number): Buffer => Buffer.concat([u16(n >>> 16), u16(n & 0xffff)]);

/** Labels of any octets; '' is the root. */
export function nameOctets(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.');
  const parts = labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, 'latin1')]));
  return Buffer.concat([...parts, Buffer.of(0)]);
}

export const questionOctets = (name: string, type: number): Buffer =>
  Buffer.concat([nameOctets(name), u16(type), u16(1)]);

/** A pointer to the name of the question. */
const askedName = Buffer.from([0xc0, 12]);

export function recordOctets({ owner = askedName, type, data, ttl = 60, class: klass = 1 }: RecordParts): Buffer {
  const name = typeof owner === 'string' ? nameOctets(owner) : owner;
  return Buffer.concat([name, u16(type), u16(klass), u32(ttl), u16(data.length), data]);
}

/** QR and RD and RA are set unless `flags` says otherwise. */
export function messageOctets(parts: MessageParts): Buffer {
  const { answers = [], authority = [], additional = [] } = parts;
  const counts = [parts.question.length > 0 ? 1 : 0, answers.length, authority.length, additional.length];
  const head = [u16(parts.id), u16((parts.flags ?? 0x8180) | (parts.rcode ?? 0)), ...counts.map(u16), parts.question];
  return Buffer.concat([...head, ...[...answers, ...authority, ...additional].map(recordOctets)]);
}

export const a = (...octets: number[]): RecordParts => ({ type: T.A, data: Buffer.from(octets) });
export const aaaa = (hex: string): RecordParts => ({ type: T.AAAA, data: Buffer.from(hex, 'hex') });
export const cname = (target: string, owner?: string): RecordParts => ({
  type: T.CNAME,
  data: nameOctets(target),
  ...(owner === undefined ? {} : { owner }),
});
export const ptr = (target: string): RecordParts => ({ type: T.PTR, data: nameOctets(target) });
export const mx = (preference: number, host: string): RecordParts => ({
  type: T.MX,
  data: Buffer.concat([u16(preference), nameOctets(host)]),
});

export function txt(...strings: string[]): RecordParts {
  const parts = strings.map((text) => Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')]));
  return { type: T.TXT, data: Buffer.concat(parts) };
}

export const soa = (minimum: number, ttl = 3600): RecordParts => ({
  owner: 'test',
  type: T.SOA,
  ttl,
  data: Buffer.concat([nameOctets('ns.test'), nameOctets('root.test'), Buffer.alloc(16), u32(minimum)]),
});

export const ns = (host: string): RecordParts => ({ owner: 'test', type: T.NS, data: nameOctets(host) });
