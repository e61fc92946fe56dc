/**
 * Where accepted mail goes, as a value: the lines of /srv/DOMAIN/relay, or the setting `relay`. Pure; leaves files to
 * srv/, and connections to the pools.
 */
import { parseDomain } from '../../mail/domain.js';
import { contains, parseIp, parseNetwork } from '../../mail/ip.js';
import { type Result, wrong } from '../../mail/result.js';
import { printable } from '../../mail/text.js';

/** Where an MTA listens. `host`: an address without brackets, or a name in A-labels. */
export type RelayEndpoint =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

export interface Destination {
  readonly protocol: 'smtp' | 'lmtp';
  readonly at: RelayEndpoint;
  /** `may`: where it is offered, whoever answers. `must`: never without, and the certificate has to bear the name. */
  readonly tls: TlsUse;
  /** As `readDestinations` reads it. Two with the same text are the same. */
  readonly text: string;
}

export type TlsUse = (typeof tlsUses)[number];

export interface DestinationList {
  /** At least one, in order of preference; those of one rank share the load. */
  readonly ranks: readonly (readonly Destination[])[];
  /** As an operator would write it in one line. Two lists with the same text are the same. */
  readonly text: string;
}

/** What may be written, as the end of "must be …". */
export const destinationForms =
  'host, host:port, [v6]:port, unix:/path, lmtp:host:port or lmtp:unix:/path, and tls=no, tls=may or tls=must behind it';

const tlsUses = ['no', 'may', 'must'] as const;

/** 24 is what LMTP servers take for it, though it has no port of its own (RFC 2033 §5: not 25). */
const usualPorts = { smtp: 25, lmtp: 24 } as const;

/** More are a mistake: a mail would be over time before the last was tried. */
const maxDestinations = 32;

/** One rank a line, or in one line with `;` between them; # begins a comment. The problem is a whole clause. */
export function readDestinations(text: string): Result<DestinationList> {
  const ranks: (readonly Destination[])[] = [];
  const seen = new Set<string>();
  for (const line of text.split('\n').flatMap((one) => one.replace(/(?:^|\s)#.*$/s, '').split(';'))) {
    if (line.trim() === '') continue;
    const rank = readRank(line, seen);
    if (!rank.ok) return rank;
    ranks.push(rank.value);
  }
  if (ranks.length === 0) return wrong(`must name a destination: ${destinationForms}`);
  if (seen.size > maxDestinations) return wrong(`must be at most ${maxDestinations} destinations`);
  return { ok: true, value: { ranks, text: ranks.map(rankText).join('; ') } };
}

const rankText = (rank: readonly Destination[]): string => rank.map(({ text }) => text).join(', ');

function readRank(line: string, seen: Set<string>): Result<readonly Destination[]> {
  const rank: Destination[] = [];
  for (const item of line.split(',')) {
    const read = readDestination(item.trim());
    if (!read.ok) return read;
    const where = endpointText(read.value.at);
    if (seen.has(where)) return wrong(`must name each destination once, and ${where} is there twice`);
    seen.add(where);
    rank.push(read.value);
  }
  return { ok: true, value: rank };
}

function readDestination(item: string): Result<Destination> {
  const [place = '', ...words] = item.split(/\s+/);
  const protocol = place.startsWith('lmtp:') ? 'lmtp' : 'smtp';
  const at = readEndpoint(protocol === 'lmtp' ? place.slice('lmtp:'.length) : place, usualPorts[protocol]);
  if (!at) return wrong(`${quoted(place)} must be ${destinationForms}${hint(place)}`);
  const tls = readTls(words, at);
  return tls.ok ? { ok: true, value: destinationOf(protocol, at, tls.value) } : tls;
}

function readEndpoint(text: string, usualPort: number): RelayEndpoint | undefined {
  if (text.startsWith('unix:')) return socketPath.test(text) ? { kind: 'unix', path: text.slice(5) } : undefined;
  if (text.startsWith('fd:')) return undefined; // what `listen` may hold
  const m = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/i.exec(text);
  const host = m?.[1] === undefined ? readHost(m?.[2] ?? '') : ip6Text(m[1]);
  const port = m?.[3] === undefined ? usualPort : Number(m[3]);
  return host !== undefined && port > 0 && port <= 65_535 ? { kind: 'tcp', host, port } : undefined;
}

/** It is written into logs and onto terminals. */
const socketPath = /^unix:\/[^\p{Cc}\p{Cf}]*$/u;

/** With a port behind it a host of that name would read as what a destination begins with. */
const isOurWord = (host: string): boolean => host === 'lmtp' || host === 'unix' || host === 'fd';

function readHost(text: string): string | undefined {
  const host = parseIp(text)?.text ?? parseDomain(text);
  return host === undefined || isOurWord(host) ? undefined : host;
}

const ip6Text = (text: string): string | undefined => (text.includes(':') ? parseIp(text)?.text : undefined);

/** What those mean who have written a Postfix transport map for years. */
function hint(place: string): string {
  if (place.includes(':') && parseIp(place)) return `: write [${printable(place, 60)}]:25`;
  if (/^(?:smtp|inet|lmtp:inet):/.test(place))
    return `: leave out ${place.startsWith('lmtp:') ? 'inet:' : place.slice(0, 5)}`;
  if (/^(?:lmtp:)?\[[^\]]*[g-z][^\]]*\]/i.test(place)) return ': leave out the brackets, no MX is looked up for a name';
  return '';
}

function readTls(words: readonly string[], at: RelayEndpoint): Result<TlsUse> {
  const [word, another] = words;
  const tls = word === undefined ? usualTls(at) : tlsUses.find((one) => word === `tls=${one}`);
  if (tls === undefined)
    return wrong(
      `${quoted(word ?? '')} must be tls=no, tls=may or tls=must; a comma or a line of its own begins another`,
    );
  if (another !== undefined) return wrong(`${quoted(another)} must not stand behind ${quoted(word ?? '')}`);
  if (at.kind === 'unix' && tls !== 'no')
    return wrong(`${endpointText(at)} must be without TLS, which a socket has no use for`);
  return { ok: true, value: tls };
}

/** Between machines it is used where it can be; in this one nobody listens in. */
const usualTls = (at: RelayEndpoint): TlsUse => (at.kind === 'unix' || isLoopback(at.host) ? 'no' : 'may');

const loopback4 = parseNetwork('127.0.0.0/8');

export function isLoopback(host: string): boolean {
  const ip = parseIp(host);
  if (!ip) return host === 'localhost';
  return ip.text === '::1' || (loopback4 !== undefined && contains(loopback4, ip));
}

const quoted = (text: string): string => `"${printable(text, 80)}"`;

/** `tls`: as for all at such an endpoint where it is not given. */
export function destinationOf(protocol: Destination['protocol'], at: RelayEndpoint, tls = usualTls(at)): Destination {
  const place = `${protocol === 'lmtp' ? 'lmtp:' : ''}${endpointText(at)}`;
  return { protocol, at, tls, text: tls === usualTls(at) ? place : `${place} tls=${tls}` };
}

/** A list of one. */
export const onlyDestination = (only: Destination): DestinationList => ({ ranks: [[only]], text: only.text });

/** `192.0.2.7:25`, `[2001:db8::1]:25`, `unix:/run/mta`. */
export function endpointText(at: RelayEndpoint): string {
  if (at.kind === 'unix') return `unix:${at.path}`;
  return at.host.includes(':') ? `[${at.host}]:${at.port}` : `${at.host}:${at.port}`;
}

/** All of them, the preferred ones first. */
export const everyDestination = ({ ranks }: DestinationList): readonly Destination[] => ranks.flat();

/** LMTP answers by recipient, SMTP once: a mail of such a list has one recipient (RFC 2033 §4.2). */
export const takesOneRecipient = ({ ranks }: DestinationList): boolean =>
  ranks.some((rank) => rank.some(({ protocol }) => protocol === 'lmtp'));
