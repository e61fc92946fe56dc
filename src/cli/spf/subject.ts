/** The DOMAIN of `postern spf lint`, `flatten` and `suggest`, as it is typed. */
import { isCheckable, toALabels, withoutFinalDot } from '../../spf/domain.js';
import { parseIp } from '../../mail/ip.js';
import { type Result, wrong } from '../../mail/result.js';
import { shown } from '../terminal.js';

/** Returns the domain in A-labels, without a final dot. */
export function domainOf(word: string): Result<string> {
  const domain = withoutFinalDot(toALabels(word));
  return isHostLike.test(domain) && isCheckable(domain) && parseIp(domain) === undefined
    ? { ok: true, value: domain }
    : wrong(`"${shown(word, 60)}" is not a domain such as example.org`);
}

/** DNS would take more, but what is typed with more is an address, a URL or a record. */
const isHostLike = /^[a-z0-9._-]+$/i;

/** The text of a record, or its strings in quotes as zone files have them. */
export function stringsOfRecord(text: string): readonly string[] {
  const isQuoted = /^\s*"[^"]*"(?:\s*"[^"]*")*\s*$/.test(text);
  return isQuoted ? [...text.matchAll(/"([^"]*)"/g)].map(([, part = '']) => part) : [text];
}
