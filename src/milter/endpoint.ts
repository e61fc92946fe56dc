/** Where a milter listens, and how the MTAs are told: spellings into values and back. Pure. */
import { type Result, wrong } from '../mail/result.js';

export type Endpoint =
  /** `host`: an address or a name; `family` where the spelling tells it. Port 0 takes any that is free. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly family?: 4 | 6 }
  | { readonly kind: 'unix'; readonly path: string }
  /** A socket that is open already: systemd's socket activation begins with 3. */
  | { readonly kind: 'fd'; readonly fd: number };

export type ParsedEndpoint = Result<Endpoint>;

/** sun_path is 108 octets, the last of them NUL. */
const maxPathOctets = 107;

const good = (value: Endpoint): ParsedEndpoint => ({ ok: true, value });

/** The spellings of spf-milter and of libmilter. */
export const endpointSpellings =
  'inet:HOST:PORT, inet:PORT@HOST, inet6:PORT@HOST, unix:/path, local:/path, /path or fd:3';

export function parseEndpoint(text: string): ParsedEndpoint {
  const [, scheme = '', rest = ''] = /^([a-z0-9]+):(.*)$/s.exec(text) ?? [];
  switch (scheme) {
    case 'inet':
      return tcp(rest, undefined);
    case 'inet6':
      return tcp(rest, 6);
    case 'unix':
    case 'local':
      return unix(rest);
    case 'fd':
      return /^\d{1,4}$/.test(rest) && Number(rest) > 2
        ? good({ kind: 'fd', fd: Number(rest) })
        : wrong('fd: takes 3 or more');
    default:
      return text.startsWith('/') ? unix(text) : wrong(`is none of ${endpointSpellings}`);
  }
}

function unix(path: string): ParsedEndpoint {
  if (path === '') return wrong('has no path');
  if (path.includes('\0')) return wrong('has a NUL in its path');
  const octets = new TextEncoder().encode(path).length;
  return octets <= maxPathOctets
    ? good({ kind: 'unix', path })
    : wrong(`has a path of ${octets} octets; a socket's has at most ${maxPathOctets}`);
}

/**
 * HOST:PORT, [HOST]:PORT, PORT@HOST or PORT@[HOST]; a PORT alone is of this host only (our choice; libmilter: of
 * all).
 */
function tcp(rest: string, family: 6 | undefined): ParsedEndpoint {
  const at = /^(\d+)@(.*)$/s.exec(rest);
  const colon = /^(.*):(\d+)$/s.exec(rest);
  const [host, digits] = at ? [at[2], at[1]] : colon ? [colon[1], colon[2]] : /^\d+$/.test(rest) ? ['', rest] : [];
  if (host === undefined || digits === undefined) return wrong('needs a host and a port, as in inet:127.0.0.1:8893');
  const port = Number(digits);
  if (port > 65_535) return wrong(`has the port ${digits}; there are 65535`);
  const plain = host.replace(/^\[(.*)\]$/s, '$1');
  if (!/^[0-9A-Za-z.:_-]*$/.test(plain)) return wrong('has an odd host name');
  const known = family ?? (plain.includes(':') ? 6 : undefined);
  const name = plain === '' || plain === '*' ? loopback(known) : plain;
  return good({ kind: 'tcp', host: name, port, ...(known && { family: known }) });
}

const loopback = (family: 6 | undefined): string => (family === 6 ? '::1' : '127.0.0.1');

/** Writes an endpoint in the first of its spellings. */
export function endpointText(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'tcp':
      return `inet:${bracketed(endpoint.host)}:${endpoint.port}`;
    case 'unix':
      return `unix:${endpoint.path}`;
    case 'fd':
      return `fd:${endpoint.fd}`;
  }
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** The lines that connect an MTA. */
export interface MtaLines {
  /** The line for main.cf. */
  readonly postfix: string;
  /** The line for sendmail.mc. */
  readonly sendmail: string;
}

/** Postfix's queue directory, where its smtpd looks for a socket, in a chroot or not. */
const postfixQueue = '/var/spool/postfix/';

/**
 * What to write into main.cf and sendmail.mc; undefined for a socket that was passed on, whose address is not known.
 */
export function smtpdMilters(endpoint: Endpoint, name = 'postern'): MtaLines | undefined {
  const [postfix, sendmail] = bothSpellings(endpoint);
  if (postfix === undefined) return undefined;
  return {
    postfix: `smtpd_milters = ${postfix}`,
    sendmail: `INPUT_MAIL_FILTER(\`${name}', \`S=${sendmail}, F=T, T=S:10s;R:30s;E:5m')`,
  };
}

function bothSpellings(endpoint: Endpoint): readonly [postfix?: string, sendmail?: string] {
  switch (endpoint.kind) {
    case 'tcp': {
      const host = reachable(endpoint.host);
      const family = endpoint.family === 6 ? 'inet6' : 'inet';
      return [`inet:${bracketed(host)}:${endpoint.port}`, `${family}:${endpoint.port}@${host}`];
    }
    case 'unix': {
      const { path } = endpoint;
      return [`unix:${path.startsWith(postfixQueue) ? path.slice(postfixQueue.length) : path}`, `unix:${path}`];
    }
    case 'fd':
      return [];
  }
}

/** An MTA on this host reaches what listens on all addresses at the loopback one. */
const reachable = (host: string): string => (host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host);
