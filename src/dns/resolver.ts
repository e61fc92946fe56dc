/**
 * What the rest of postern knows of DNS: one question, one of three answers.
 *
 * A look-up never throws and never rejects. An answer that is already known is returned as a
 * value, not as a promise, so that a caller with a warm cache never yields to the event loop:
 *
 *     const asked = resolver.lookup('example.org', 'TXT');
 *     const answer = asked instanceof Promise ? await asked : asked;
 */
import type { Ip } from '../mail/ip.js';

export type RecordType = 'A' | 'AAAA' | 'MX' | 'TXT' | 'PTR' | 'NS' | 'SRV' | 'CAA' | 'TLSA';

export interface Mx {
  readonly preference: number;
  /** Host name without a final dot; '' is the null MX (RFC 7505). */
  readonly exchange: string;
}

/** RFC 2782. */
export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** Host name without a final dot; '': the service is not offered. */
  readonly target: string;
}

/** RFC 8659 §4.1. */
export interface CaaRecord {
  /** Whoever does not know the tag must not issue. */
  readonly critical: boolean;
  /** In lower case: issue, issuewild, iodef. */
  readonly tag: string;
  readonly value: string;
}

/** RFC 6698 §2.1. Whether DNSSEC vouches for it is not told here. */
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matching: number;
  /** Hexadecimal, in lower case. */
  readonly data: string;
}

/**
 * Names are without a final dot. Octets outside ASCII, in names and TXT alike, are latin1: one character, one octet.
 */
export interface RecordData {
  readonly A: Ip;
  readonly AAAA: Ip;
  readonly MX: Mx;
  /** The character-strings of one record, not joined: SPF joins them without a space (RFC 7208 §3.3). */
  readonly TXT: readonly string[];
  readonly PTR: string;
  readonly NS: string;
  readonly SRV: SrvRecord;
  readonly CAA: CaaRecord;
  readonly TLSA: TlsaRecord;
}

/**
 * found: at least one record, CNAMEs already followed.
 * void: the name does not exist or has no such record (RFC 7208 §4.6.4 "void lookup").
 * failed: anything else: time-out, SERVFAIL, REFUSED, lame, malformed, a CNAME loop.
 */
export type DnsAnswer<T> =
  | { readonly kind: 'found'; readonly records: readonly T[] }
  | { readonly kind: 'void'; readonly why: 'nxdomain' | 'nodata' }
  | { readonly kind: 'failed'; readonly problem: string };

export interface LookupOptions {
  /** Give up and answer `failed` once this is aborted. */
  readonly signal?: AbortSignal;
}

export interface Resolver {
  /** `name`: without a final dot, any octets as latin1; labels are what stands between dots. */
  lookup<T extends RecordType>(
    name: string,
    type: T,
    options?: LookupOptions,
  ): DnsAnswer<RecordData[T]> | Promise<DnsAnswer<RecordData[T]>>;
}
