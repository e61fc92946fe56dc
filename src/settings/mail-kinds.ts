/**
 * The kinds of value that are postern's own: endpoints, networks, names, addresses. How lists and numbers work is
 * beside it.
 */
import { readStoreAddress } from '../catalog/bodies/store-address.js';
import { readCatalogAddress } from '../catalog/address.js';
import { type Address, parseAddress } from '../mail/address.js';
import { parseDomain } from '../mail/domain.js';
import { hidden, withoutPasswords } from '../mail/secret.js';
import { type Network, parseIp, parseNetwork } from '../mail/ip.js';
import { destinationForms, type DestinationList, readDestinations } from '../relay/destination/destination.js';
import { readRedisAddress } from '../store/redis-address.js';
import { listOf, valueKind, type ValueKind } from './value-kind.js';

/** Where to listen. Port 0 lets the system choose one. */
export type ListenEndpoint =
  /** All addresses of the machine. */
  | { readonly kind: 'any'; readonly port: number }
  /** `host`: a canonical address without brackets, or a name. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** A socket that was opened for us (systemd socket activation, LISTEN_FDS: the first is 3). */
  | { readonly kind: 'fd'; readonly fd: number };

interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `[v6]:port`; the host is '' where nothing or `*` stands before the colon. */
function readHostPort(text: string): HostPort | undefined {
  const m = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(text);
  const port = Number(m?.[3]);
  const host = m?.[1] === undefined ? readHost(m?.[2] ?? '') : ip6Text(m[1]);
  return m && host !== undefined && port <= 65535 ? { host, port } : undefined;
}

const readHost = (text: string): string | undefined =>
  text === '' || text === '*' ? '' : (parseIp(text)?.text ?? parseDomain(text));

const ip6Text = (text: string): string | undefined => (text.includes(':') ? parseIp(text)?.text : undefined);

const writeHostPort = ({ host, port }: HostPort): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

function readListenEndpoint(text: string): ListenEndpoint | undefined {
  const fd = /^fd:(\d{1,4})$/.exec(text)?.[1];
  if (fd !== undefined) return Number(fd) >= 3 ? { kind: 'fd', fd: Number(fd) } : undefined;
  const at = readHostPort(text);
  if (!at) return undefined;
  return at.host === '' ? { kind: 'any', port: at.port } : { kind: 'tcp', ...at };
}

/** `host:port`, `[v6]:port`, `*:port`, `:port`, `fd:3`. */
export const listenEndpoint: ValueKind<ListenEndpoint> = valueKind(
  'ENDPOINT',
  'host:port, [v6]:port, *:port, or fd:3 and up for a socket handed over',
  readListenEndpoint,
  writeListenEndpoint,
);

/** As the operator would write it: `*:25`, `[::1]:25`, `fd:3`. */
export function writeListenEndpoint(at: ListenEndpoint): string {
  switch (at.kind) {
    case 'any':
      return `*:${at.port}`;
    case 'tcp':
      return writeHostPort(at);
    case 'fd':
      return `fd:${at.fd}`;
  }
}

/** As `net.Server.listen` takes it. */
export type ListenTarget =
  { readonly fd: number } | { readonly port: number; readonly host?: string; readonly ipv6Only?: boolean };

/**
 * `all` are the endpoints that are opened together: with `0.0.0.0:25` among them `[::]:25` is IPv6's alone, else
 * both.
 */
export function listenTarget(at: ListenEndpoint, all: readonly ListenEndpoint[] = [at]): ListenTarget {
  if (at.kind === 'fd') return { fd: at.fd };
  if (at.kind === 'any') return { port: at.port };
  const isShared =
    at.host === '::' && all.some((one) => one.kind === 'tcp' && one.host === '0.0.0.0' && one.port === at.port);
  return { port: at.port, host: at.host, ...(isShared && { ipv6Only: true }) };
}

/** `host:port`, `[v6]:port`, `*:port`, `:port`. */
export const metricsEndpoint: ValueKind<ListenEndpoint> = valueKind(
  'ENDPOINT',
  'host:port, [v6]:port or *:port, such as 127.0.0.1:9817',
  (text) => (text.startsWith('fd:') ? undefined : readListenEndpoint(text)),
  writeListenEndpoint,
);

/** As in a domain's file `relay`, in one line. */
export const destinations: ValueKind<DestinationList> = {
  label: 'DESTINATIONS',
  right: `a list of destinations, with a comma where they share the load and ; before the next to try, where each is ${destinationForms}`,
  parse: readDestinations,
  write: ({ text }) => text,
};

/** `host:port`, `[v6]:port`: an address of its own, for the page checks by which it is asked for. */
export const webEndpoint: ValueKind<{ readonly host: string; readonly port: number }> = valueKind(
  'ENDPOINT',
  'host:port or [v6]:port, such as 127.0.0.1:8025',
  (text) => {
    const at = readHostPort(text);
    return at && at.host !== '' ? at : undefined;
  },
  writeHostPort,
);

const network: ValueKind<Network> = valueKind(
  'NETWORK',
  'an address or network, such as 192.0.2.0/24 or 2001:db8::/32, or the word loopback',
  parseNetwork,
  ({ base, prefix }) => `${base.text}/${prefix}`,
);

/** Networks; `loopback` stands for both families' loopback networks. */
export const networks: ValueKind<readonly Network[]> = listOf(network, {
  shorthands: new Map([['loopback', ['127.0.0.0/8', '::1/128']]]),
});

/** A name server as `node:dns` setServers takes it: an address, with `:port` (`[v6]:port`) where it is not 53. */
export const nameServer: ValueKind<string> = valueKind(
  'SERVER',
  'an address, with a port where it is not 53, such as 192.0.2.53, 127.0.0.1:5353 or [::1]:5353',
  readNameServer,
);

function readNameServer(text: string): string | undefined {
  const alone = parseIp(text)?.text;
  if (alone !== undefined) return alone;
  const at = readHostPort(text);
  return at && at.port > 0 && parseIp(at.host) ? writeHostPort(at) : undefined;
}

/** Lower-case A-labels. */
export const hostName: ValueKind<string> = valueKind('NAME', 'a host name, such as mx.example.org', parseDomain);

/** A host name, or `*.` and the domain below which any name matches. */
export const hostPattern: ValueKind<string> = valueKind(
  'PATTERN',
  'a host name, or *. and a domain: mx.example.org or *.example.org',
  (text) => {
    const domain = parseDomain(text.replace(/^\*\./, ''));
    return domain !== undefined && text.startsWith('*.') ? `*.${domain}` : domain;
  },
);

export const mailAddress: ValueKind<Address> = valueKind(
  'ADDRESS',
  'an address, such as postmaster@example.org',
  parseAddress,
  ({ text }) => text,
);

const bodiesRight =
  'empty, or a bucket of an S3-compatible store, such as s3://mails?endpoint=https://s3.example&key_file=/etc/postern/s3-key';
const storeRight =
  'empty, or the URL of a Redis or Valkey server, such as redis://192.0.2.7:6379, redis+sentinel://A,B,C/NAME or redis+cluster://A,B,C';
const catalogRight = 'empty, or the URL of a PostgreSQL database, such as postgresql://postern@192.0.2.7/postern';

/** Where Redis or Valkey is, or ''. */
export const storeUrl: ValueKind<string> = {
  label: 'URL',
  right: storeRight,
  write: String,
  parse: (text) => {
    const read = text === '' ? undefined : readRedisAddress(text);
    if (read?.ok === false) return { ok: false, problem: `must be ${storeRight}: this ${read.problem}` };
    return read?.value.password === hidden // print-config wrote it
      ? { ok: false, problem: `must be ${storeRight}: this has ${hidden} where its password was` }
      : { ok: true, value: text };
  },
  shown: (text) => (text === '' || readRedisAddress(text).ok ? withoutPasswords(text) : wrongUrlShown(text)),
};

/** Where the catalog is, or ''. */
export const catalogUrl: ValueKind<string> = {
  label: 'URL',
  right: catalogRight,
  write: String,
  parse: (text) => {
    const read = text === '' ? undefined : readCatalogAddress(text);
    if (read?.ok === false) return { ok: false, problem: `must be ${catalogRight}: this ${read.problem}` };
    return read?.value.password === hidden // print-config wrote it
      ? { ok: false, problem: `must be ${catalogRight}: this has ${hidden} where its password was` }
      : { ok: true, value: text };
  },
  shown: (text) => (text === '' || readCatalogAddress(text).ok ? withoutPasswords(text) : wrongUrlShown(text)),
};

/** Where mails are that are not in the catalog's database, or ''. */
export const bodiesUrl: ValueKind<string> = {
  label: 'URL',
  right: bodiesRight,
  write: String,
  parse: (text) => {
    const read = text === '' ? undefined : readStoreAddress(text);
    return read?.ok === false
      ? { ok: false, problem: `must be ${bodiesRight}: this ${read.problem}` }
      : { ok: true, value: text };
  },
};

/** Where nobody knows what is a password, only the scheme is shown; `signs`: there may be one. */
function wrongUrlShown(text: string, signs = /[:@?]/): string {
  const [, scheme = '', rest = ''] = /^([a-z+]+:\/\/)?(.*)$/is.exec(text) ?? [];
  return signs.test(rest) ? `${scheme}${hidden}` : text;
}

/** `https://mail.example.com`, or ''; without the slash behind it. */
export const pageUrl: ValueKind<string> = {
  ...valueKind(
    'URL',
    'empty, or http:// or https:// and a host, without a path, such as https://mail.example.com',
    (text) => (text === '' ? '' : originOf(text)),
  ),
  shown: (text) => wrongUrlShown(text, /[@?#]/),
};

function originOf(text: string): string | undefined {
  if (!/^https?:\/\/[^\s/?#@\\]+\/?$/i.test(text) || !URL.canParse(text)) return undefined;
  return new URL(text).origin;
}

/** Taken as it is: a relative path counts from where the program is started. */
export const path: ValueKind<string> = valueKind('PATH', 'a path', (text) => text || undefined);

/** As {@link path}, but in a list, where commas and spaces end it. */
export const listedPath: ValueKind<string> = valueKind('PATH', 'a path without commas and spaces', (text) => text);

/** A user or group of the system, by name or number. */
export const account: ValueKind<string> = valueKind('NAME', 'a name of the system, or its number', (text) =>
  /^(?:[a-z_][a-z0-9_.-]{0,31}\$?|\d{1,10})$/i.test(text) ? text : undefined,
);

/** Not `%`, `!`, `@` and the like, which an MTA might route by. */
export const delimiter: ValueKind<string> = valueKind('CHARACTER', 'one of + - = _ . ~ ^ $ &', (text) =>
  /^[-+=_.~^$&]$/.test(text) ? text : undefined,
);

/** Beside a folder's own names. */
export const linkName: ValueKind<string> = valueKind('NAME', 'a file name, such as index.json', (text) =>
  /^[a-z0-9_-][a-z0-9._-]{0,63}$/i.test(text) && !/^(?:tmp|new|cur|index)$/.test(text) ? text : undefined,
);
