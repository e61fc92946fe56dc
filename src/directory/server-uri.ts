/**
 * Where a directory listens: `ldap://host`, `ldaps://host:1636`, `ldapi://%2Frun%2Fslapd%2Fldapi` (RFC 4516 §2) into
 * values. Pure.
 */
import { parseDomain } from '../mail/domain.js';
import { parseIp } from '../mail/ip.js';

export type LdapServer =
  /** `tls`: from the first octet on. */
  | { readonly kind: 'tcp'; readonly tls: boolean; readonly host: string; readonly port: number; readonly text: string }
  | { readonly kind: 'unix'; readonly path: string; readonly text: string };

/** Where OpenLDAP's server has its socket in Debian. */
const defaultSocket = '/var/run/slapd/ldapi';

/** undefined for anything that is more or less than a server. */
export function parseServerUri(text: string): LdapServer | undefined {
  const [, scheme = '', rest = ''] = /^(ldaps?|ldapi):\/\/(.*)$/is.exec(text) ?? [];
  if (scheme.toLowerCase() === 'ldapi') return unixServer(rest, text);
  const [, v6, name, digits] = /^(?:\[([^\]]+)\]|([^:/[\]]+))(?::(\d{1,5}))?\/?$/.exec(rest) ?? [];
  const host = v6 === undefined ? (parseIp(name ?? '')?.text ?? parseDomain(name ?? '')) : parseIp(v6)?.text;
  const tls = scheme.toLowerCase() === 'ldaps';
  const port = Number(digits ?? (tls ? 636 : 389));
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return { kind: 'tcp', tls, host, port, text };
}

/** The path with its slashes written as %2F or, as some write it, bare. */
function unixServer(rest: string, text: string): LdapServer | undefined {
  try {
    const path = decodeURIComponent(rest).replace(/\/$/, '') || defaultSocket;
    return path.startsWith('/') && !path.includes('\0') ? { kind: 'unix', path, text } : undefined;
  } catch {
    return undefined;
  }
}
