/** What somebody meant who wrote a term that is none, or none that does anything: found from the slips people make. */
import { parseIp, parseNetwork } from '../../mail/ip.js';
import { parseTerm } from '../parse.js';

/** The term as it should have been written; undefined where it cannot be told. */
export function remedyOf(written: string): string | undefined {
  const [, qualifier = '', body = ''] = /^([-+?~]?)(.*)$/s.exec(withAsciiDash(written).replace(/[.,;]+$/, '')) ?? [];
  const meant = meantBy(body, qualifier);
  if (meant === undefined || meant === written) return undefined;
  const term = parseTerm(meant, 0);
  return term.kind === 'problem' || term.kind === 'unknown' || isNoHostName(term) ? undefined : meant;
}

/** A name with what no host name has: a URL or an address of mail, written where a domain belongs. */
export const isNoHostName = (term: object): boolean =>
  'target' in term && /[/:@]/.test((term.target as { readonly name?: string } | undefined)?.name ?? '');

function meantBy(body: string, qualifier: string): string | undefined {
  const network = networkTerm(body);
  if (network !== undefined) return qualifier + network;
  const [, word = '', sign = '', value = ''] = /^([^:=/]*)([:=]?)(.*)$/s.exec(body) ?? [];
  const name = nameMeant(word.toLowerCase());
  if (name === undefined) {
    const isDomain = /^[\w-]+(?:\.[\w-]+)*\.[a-z][a-z0-9-]+$/i.test(body);
    return isDomain ? `${qualifier}${/spf/i.test(body) ? 'include' : 'a'}:${body}` : undefined;
  }
  if (name === 'ip') {
    const given = networkTerm(value);
    return given === undefined ? undefined : qualifier + given;
  }
  if (name === 'redirect' || name === 'exp') return `${name}=${hostIn(value)}`;
  return sign === '' || value === '' ? `${qualifier}${name}${value}` : `${qualifier}${name}:${hostIn(value)}`;
}

/** Hyphens and dashes of other kinds: as characters, as the octets of their UTF-8, and those of Windows-1252. */
const withAsciiDash = (text: string): string =>
  text.replace(/^(?:[\u2010-\u2015\u2212\x96\x97]|\u00e2\u0080[\u0090-\u0095]|\u00e2\u0088\u0092)/, '-');

function networkTerm(text: string): string | undefined {
  if (parseNetwork(text) === undefined) return undefined;
  return `ip${text.includes(':') ? 6 : parseIp(text.replace(/\/.*$/, ''))?.family}:${text}`;
}

/** `https://www.example.org/spf` is www.example.org, user@example.org is example.org; a prefix length stays. */
const hostIn = (value: string): string =>
  value
    .replace(/^[a-z]+:\/\//i, '')
    .replace(/^[^@]*@/, '')
    .replace(/\/(?!\/?\d+(?:\/\/\d+)?$).*$/s, '');

/** Names of more than two letters; those of fewer are too near to anything. */
const longNames = ['all', 'include', 'ptr', 'exists', 'redirect', 'exp'];

/** "ip" stands for ip4 or ip6, as the address says. */
function nameMeant(word: string): string | undefined {
  if (/^ips?(?:-?v?[46])?$/.test(word)) return 'ip';
  if (word === 'a' || word === 'mx') return word;
  return longNames.find((name) => name === word) ?? longNames.find((name) => isOneSlip(word, name));
}

/** Does one character more, less or other, or two in the other order, make the one word of the other? */
function isOneSlip(one: string, other: string): boolean {
  let start = 0;
  while (start < Math.min(one.length, other.length) && one[start] === other[start]) start++;
  let end = 0;
  while (end < Math.min(one.length, other.length) - start && one.at(-1 - end) === other.at(-1 - end)) end++;
  const [rest, otherRest] = [one.slice(start, one.length - end), other.slice(start, other.length - end)];
  return (
    (rest.length <= 1 && otherRest.length <= 1) || (rest.length === 2 && rest === [...otherRest].reverse().join(''))
  );
}
