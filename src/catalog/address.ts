/**
 * Where the catalog is, as libpq writes it: `postgresql://user:password@db1,db2:5433/database?sslmode=verify-full`.
 * Pure. Leaves choosing among the servers to database.ts.
 */
import { parseIp } from '../mail/ip.js';
import { type Result, wrong } from '../mail/result.js';

export interface CatalogServer {
  /** A name, an address, or the folder of a socket. */
  readonly host: string;
  readonly port: number;
}

export interface CatalogAddress {
  /** They are tried in this order until one of them takes writes. */
  readonly servers: readonly CatalogServer[];
  /** '' is the account that postern runs as, as with libpq. */
  readonly user: string;
  readonly password: string;
  /** The password is the first line of this file, read at each connection; '' where there is none. */
  readonly passwordFile: string;
  readonly database: string;
  /** Not asked for on loopback and sockets; elsewhere the server's certificate must be of its name. */
  readonly tls: boolean;
  /** It holds the CA (PEM); '' for those that Node knows. */
  readonly rootCert: string;
}

const usualPort = 5432;

const form = /^postgres(?:ql)?:\/\/(?:([^:@/?#]*)(?::([^/?#]*))?@)?([^@/?#]+)\/([^/?#]+)(?:\?([^#]*))?$/;

/** The problem is a clause: "names no server". */
export function readCatalogAddress(text: string): Result<CatalogAddress> {
  const [, user = '', password = '', hosts = '', database = '', query = ''] = form.exec(text) ?? [];
  if (hosts === '') return wrong('is no postgresql://USER@HOST[,HOST…]/DATABASE');
  try {
    const servers = hosts.split(',').map(serverIn);
    if (servers.includes(undefined)) return wrong('names a server that can be none');
    const found = servers.filter((server) => server !== undefined);
    return withParameters(new URLSearchParams(query), {
      servers: found,
      user: decodeURIComponent(user),
      password: decodeURIComponent(password),
      passwordFile: '',
      database: decodeURIComponent(database),
      tls: !found.every(isHere),
      rootCert: '',
    });
  } catch {
    return wrong('has a % that begins no octet');
  }
}

function serverIn(text: string): CatalogServer | undefined {
  const [, bracketed, plain = '', digits] = /^(?:\[([0-9a-f:.]+)\]|([^[\]:]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = decodeURIComponent(bracketed ?? plain);
  const port = Number(digits ?? usualPort);
  return /^(?:\/[^\0]+|[\w.:-]+)$/.test(host) && port > 0 && port < 65_536 ? { host, port } : undefined;
}

function isHere({ host }: CatalogServer): boolean {
  const ip = parseIp(host);
  if (host.startsWith('/') || host === 'localhost') return true;
  return ip !== undefined && (ip.text === '::1' || ip.text.startsWith('127.'));
}

function withParameters(given: URLSearchParams, address: CatalogAddress): Result<CatalogAddress> {
  let { tls, passwordFile, rootCert } = address;
  for (const [name, value] of given) {
    if (name === 'sslmode' && (value === 'disable' || value === 'verify-full')) tls = value === 'verify-full';
    else if (name === 'sslmode') return wrong('has an sslmode that is neither verify-full nor disable');
    else if (name === 'sslrootcert' && value.startsWith('/')) rootCert = value;
    else if (name === 'password_file' && value.startsWith('/')) passwordFile = value;
    else return wrong('may have sslmode, sslrootcert=/FILE and password_file=/FILE behind the question mark');
  }
  return { ok: true, value: { ...address, tls, passwordFile, rootCert } };
}
