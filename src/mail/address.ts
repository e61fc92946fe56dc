/**
 * Mailbox addresses from the arguments of MAIL and RCPT (RFC 5321 §4.1.2, RFC 6531 §3.3): octets of a command line
 * into a value, or a problem. Nothing here knows which domains are hosted.
 */
import { type Result, wrong } from './result.js';
import { parseDomain } from './domain.js';
import { decodeUtf8 } from './text.js';

export interface Address {
  /** As given, quotes and backslashes removed: `"a b"@x` has the local-part `a b`. */
  readonly localPart: string;
  /** Lower-case A-labels, or an address literal with its brackets. */
  readonly domain: string;
  /** What goes on the wire: quoted again where it must be, the domain as A-labels. */
  readonly text: string;
}

/** The null reverse-path `<>`, and the domainless `<postmaster>` (RFC 5321 §4.1.1.3), have no domain. */
export type Path =
  { readonly kind: 'null' } | { readonly kind: 'postmaster' } | { readonly kind: 'mailbox'; readonly address: Address };

export interface PathArgument {
  readonly path: Path;
  /** ESMTP parameters, keywords in upper case; `true` where none is given a value. */
  readonly parameters: ReadonlyMap<string, string | true>;
}

/** RFC 5321 §4.5.3.1.3: a path has at most 256 octets, its brackets included. */
const maxPathOctets = 256;

/** Reads what stands behind `FROM:` or `TO:`. The line must be valid UTF-8 without control characters. */
export function parsePathArgument(argument: Uint8Array): Result<PathArgument> {
  const text = decodeUtf8(argument);
  return text === undefined ? wrong('not UTF-8') : parsePathText(text);
}

/** The same of text. */
export function parsePathText(text: string): Result<PathArgument> {
  if (!/^[ -~]*$/.test(text) && /\p{Cc}/u.test(text)) return wrong('control character');
  const end = endOfPath(text);
  if (end < 0) return wrong('no path in angle brackets');
  const inner = text.slice(1, end);
  if (isTooLong(inner)) return wrong('path too long');
  const parameters = parseParameters(text.slice(end + 1));
  if (!parameters) return wrong('bad parameter syntax');
  const path = parsePath(inner);
  return path.ok ? { ok: true, value: { path: path.value, parameters } } : path;
}

/** A UTF-16 unit makes at most three octets: a short path is not encoded to be counted. */
const isTooLong = (inner: string): boolean =>
  inner.length > (maxPathOctets - 2) / 3 && new TextEncoder().encode(inner).length > maxPathOctets - 2;

/** Index of the `>` that closes the path, which may not stand inside a quoted string; -1 when there is none. */
function endOfPath(text: string): number {
  if (!text.startsWith('<')) return -1;
  let quoted = false;
  for (let i = 1; i < text.length; i++) {
    const c = text[i];
    if (c === '\\' && quoted) i++;
    else if (c === '"') quoted = !quoted;
    else if (!quoted && c === '<') return -1;
    else if (!quoted && c === '>') return i;
  }
  return -1;
}

function parseParameters(text: string): PathArgument['parameters'] | undefined {
  if (text === '' || text.trim() === '') return noParameters;
  if (!text.startsWith(' ')) return undefined;
  const parameters = new Map<string, string | true>();
  for (const word of text.trim().split(/ +/)) {
    const m = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^=\s\x7f]+))?$/.exec(word);
    const keyword = m?.[1]?.toUpperCase();
    if (keyword === undefined || parameters.has(keyword)) return undefined;
    parameters.set(keyword, m?.[2] ?? true);
  }
  return parameters;
}

const noParameters: PathArgument['parameters'] = new Map();

function parsePath(inner: string): Result<Path> {
  if (inner === '') return { ok: true, value: { kind: 'null' } };
  if (/^postmaster$/i.test(inner)) return { ok: true, value: { kind: 'postmaster' } };
  const address = parseAddress(inner.startsWith('@') ? withoutSourceRoute(inner) : inner);
  if (address === undefined) return wrong('not a mailbox');
  // What goes to the MTA may be longer than what came: quotes, and A-labels.
  return isTooLong(address.text) ? wrong('path too long') : { ok: true, value: { kind: 'mailbox', address } };
}

/** RFC 5321 appendix C: a source route `@a,@b:` must be accepted and is ignored. */
const withoutSourceRoute = (path: string): string => path.replace(/^@[^\s,:@"]+(?:,@[^\s,:@"]+)*:/, '');

/** Reads `local-part@domain` or `local-part@[literal]`; undefined when it is neither. */
export function parseAddress(text: string): Address | undefined {
  if (text.length <= maxPathOctets - 2 && plainAddress.test(text)) return plainly(text, text.indexOf('@'));
  const at = text.lastIndexOf('@');
  if (at < 1) return undefined;
  const localPart = parseLocalPart(text.slice(0, at));
  const domain = parseDomain(text.slice(at + 1)) ?? parseLiteral(text.slice(at + 1));
  if (localPart === undefined || domain === undefined) return undefined;
  return { localPart, domain, text: `${writeLocalPart(localPart)}@${domain}` };
}

/** What nearly all addresses are: written as they go on the wire, no quotes, nothing loose, no A-label. */
const plainAddress =
  /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@(?:[a-z0-9](?:-?[a-z0-9]){0,30}\.){1,8}[a-z]{2,30}$/;

const plainly = (text: string, at: number): Address => ({
  localPart: text.slice(0, at),
  domain: text.slice(at + 1),
  text,
});

const parseLiteral = (text: string): string | undefined =>
  /^\[(?:\d{1,3}(?:\.\d{1,3}){3}|IPv6:[0-9a-f:.]{2,45})\]$/i.test(text) ? text.toLowerCase() : undefined;

/** RFC 5321 §4.1.2 Dot-string, with the octets of RFC 6531 §3.3 beside atext. */
const dotString = /^[^\s\p{Cc}\p{Cf}()<>[\]:;@\\,."]+(?:\.[^\s\p{Cc}\p{Cf}()<>[\]:;@\\,."]+)*$/u;
/**
 * Outlook and some phones write `a..b@` or `a.@`: no atoms, yet such mailboxes exist. Our choice: taken, and sent on
 * quoted.
 */
const looseDotString = /^[^\s\p{Cc}\p{Cf}()<>[\]:;@\\,"]+$/u;
const quotedString = /^"(?:[^"\\\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|\\[\x20-\x7e])*"$/u;

function parseLocalPart(text: string): string | undefined {
  if (looseDotString.test(text)) return text;
  if (!quotedString.test(text)) return undefined;
  const content = text.slice(1, -1).replace(/\\(.)/g, (_, c: string) => c);
  return content === '' ? undefined : content;
}

function writeLocalPart(localPart: string): string {
  if (dotString.test(localPart)) return localPart;
  return `"${localPart.replace(/["\\]/g, (c) => `\\${c}`)}"`;
}

/**
 * May an MTA route mail for that local-part elsewhere, or read it as a comment or a list? `user%elsewhere`,
 * `elsewhere!user`, `@relay:user@x` are sender-specified routing, which RFC 5321 appendix C and RFC 1123 §5.2.16
 * leave to the MTA.
 */
export const mayBeRouted = (localPart: string): boolean => /[%!@:,;()<>\\ ]/.test(localPart);

/** Does the address need SMTPUTF8 to be sent on? Its domain never does: that is A-labels. */
export function needsSmtpUtf8(address: Address): boolean {
  return !/^[\x00-\x7f]*$/.test(address.localPart);
}
