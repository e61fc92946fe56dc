/**
 * The data of one resource record, from octets to a value (RFC 1035 §3.3, RFC 3596 §2.2; RFC 2782, 6698, 8659).
 * undefined: the data are malformed.
 */
import { ip4FromWord, parseIp, type Ip } from '../../mail/ip.js';
import { decodeName } from './name.js';
import type { CaaRecord, Mx, RecordData, RecordType, SrvRecord, TlsaRecord } from '../resolver.js';

/** Where the data of one record lie in a message. */
export interface DataSpan {
  readonly octets: Buffer;
  readonly start: number;
  readonly end: number;
}

const decoders: { readonly [T in RecordType]: (span: DataSpan) => RecordData[T] | undefined } = {
  A: decodeA,
  AAAA: decodeAaaa,
  MX: decodeMx,
  TXT: decodeTxt,
  PTR: decodeTarget,
  NS: decodeTarget,
  SRV: decodeSrv,
  CAA: decodeCaa,
  TLSA: decodeTlsa,
};

export function decodeData<T extends RecordType>(type: T, span: DataSpan): RecordData[T] | undefined {
  return decoders[type](span);
}

function decodeA({ octets, start, end }: DataSpan): Ip | undefined {
  return end - start === 4 ? ip4FromWord(octets.readUInt32BE(start)) : undefined;
}

function decodeAaaa({ octets, start, end }: DataSpan): Ip | undefined {
  if (end - start !== 16) return undefined;
  const groups = [0, 2, 4, 6, 8, 10, 12, 14].map((i) => octets.readUInt16BE(start + i).toString(16));
  return parseIp(groups.join(':'));
}

function decodeMx({ octets, start, end }: DataSpan): Mx | undefined {
  if (end - start < 3) return undefined;
  const exchange = decodeTarget({ octets, start: start + 2, end });
  return exchange === undefined ? undefined : { preference: octets.readUInt16BE(start), exchange };
}

/** The character-strings of a TXT; no data at all is no strings, which real zones contain. */
function decodeTxt({ octets, start, end }: DataSpan): readonly string[] | undefined {
  const strings: string[] = [];
  for (let at = start; at < end;) {
    const next = at + 1 + (octets[at] ?? 0);
    if (next > end) return undefined;
    strings.push(octets.toString('latin1', at + 1, next));
    at = next;
  }
  return strings;
}

function decodeSrv({ octets, start, end }: DataSpan): SrvRecord | undefined {
  if (end - start < 7) return undefined;
  const target = decodeTarget({ octets, start: start + 6, end });
  if (target === undefined) return undefined;
  const [priority, weight, port] = [0, 2, 4].map((i) => octets.readUInt16BE(start + i)) as [number, number, number];
  return { priority, weight, port, target };
}

function decodeCaa({ octets, start, end }: DataSpan): CaaRecord | undefined {
  const valueAt = start + 2 + (octets[start + 1] ?? 0);
  const tag = octets.toString('latin1', start + 2, valueAt);
  if (end - start < 3 || valueAt > end || !/^[a-z0-9]+$/i.test(tag)) return undefined;
  const critical = ((octets[start] ?? 0) & 128) !== 0;
  return { critical, tag: tag.toLowerCase(), value: octets.toString('latin1', valueAt, end) };
}

function decodeTlsa({ octets, start, end }: DataSpan): TlsaRecord | undefined {
  if (end - start < 4) return undefined;
  const [usage = 0, selector = 0, matching = 0] = octets.subarray(start, start + 3);
  return { usage, selector, matching, data: octets.toString('hex', start + 3, end) };
}

/** The one name that PTR, NS and CNAME data are. */
export function decodeTarget({ octets, start, end }: DataSpan): string | undefined {
  const target = decodeName(octets, start);
  return target?.next === end ? target.name : undefined;
}
