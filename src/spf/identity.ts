/**
 * Who is judged: the reverse-path's domain or the HELO name (RFC 7208 §2.3, §2.4, §4.3).
 */
import { toALabels, withoutFinalDot } from './domain.js';

export interface Identity {
  readonly kind: 'mailfrom' | 'helo';
  /** The domain to check, in A-labels, without a final dot. */
  readonly domain: string;
  readonly localPart: string;
}

/** The HELO name, as the sender postmaster@HELO. */
export function heloIdentity(helo: string): Identity {
  return { kind: 'helo', domain: withoutFinalDot(toALabels(helo)), localPart: 'postmaster' };
}

/** The last "@" separates, also with a quoted local-part; without a local-part it is postmaster (RFC 7208 §4.3). */
export function mailFromIdentity(from: string): Identity {
  const at = from.lastIndexOf('@');
  return {
    kind: 'mailfrom',
    domain: withoutFinalDot(toALabels(from.slice(at + 1))),
    localPart: at > 0 ? from.slice(0, at) : 'postmaster',
  };
}
