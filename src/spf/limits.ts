/**
 * The processing limits of RFC 7208 §4.6.4, and one of our own, all settable.
 */
export interface SpfLimits {
  /** Terms that ask DNS: include, a, mx, ptr, exists and a followed redirect, over all records. */
  readonly lookups: number;
  /** Terms of which a look-up is answered with no such name or no such record; more is permerror. */
  readonly voids: number;
  /** Hosts of one `mx`; more is permerror. */
  readonly mx: number;
  /** Names of one PTR answer; the others are ignored. */
  readonly ptr: number;
  /** Octets of all records of an evaluation together; more is permerror. Our choice: §3.4 asks for 450 a record. */
  readonly text: number;
  /** Milliseconds for the whole evaluation; then it is temperror. */
  readonly totalMs: number;
}

export const defaultLimits: SpfLimits = Object.freeze({
  lookups: 10,
  voids: 2,
  mx: 10,
  ptr: 10,
  text: 16_384,
  totalMs: 20_000,
});
