/**
 * The name servers to ask: read from settings or the system, in the operator's order,
 * silent ones last for a while so that one dead server does not slow down every look-up.
 */
import { getServers } from 'node:dns';
import { isIP } from 'node:net';
import { parseIp } from '../../mail/ip.js';

export interface Server {
  readonly family: 4 | 6;
  /** Without brackets, canonical; may have a zone (`fe80::1%eth0`). */
  readonly address: string;
  readonly port: number;
}

/** Reads `ip`, `ip:port`, `ip6`, `[ip6]` or `[ip6]:port`; undefined when it is none of them. */
export function parseServer(text: string): Server | undefined {
  const parts = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([\d.]+)(?::(\d{1,5}))?$/.exec(text);
  const host = parts ? parts[1] : text;
  const port = Number(parts?.[2] ?? 53);
  const family = isIP(host ?? '');
  if (host === undefined || (family !== 4 && family !== 6) || port < 1 || port > 65_535) return undefined;
  if (text.startsWith('[') && family === 4) return undefined;
  // An IPv4-mapped address is its IPv4 address, and is asked over IPv4.
  const ip = parseIp(host);
  return { family: ip?.family ?? family, address: ip?.text ?? host, port };
}

/** The servers of the system's settings (/etc/resolv.conf), without any that cannot be read. */
export function systemServers(): readonly Server[] {
  const servers = getServers().map((text) => parseServer(text));
  return servers.filter((server) => server !== undefined);
}

/** Remembers which servers kept silent. */
export interface ServerList {
  /** The order in which to ask now. */
  inOrder(): readonly Server[];
  note(server: Server, outcome: 'answered' | 'silent'): void;
}

const shunMs = 30_000;

/** `now`: milliseconds, only compared with itself. */
export function serverList(servers: readonly Server[], now: () => number): ServerList {
  const shunnedUntil = new Map<Server, number>();
  const isShunned = (server: Server): boolean => (shunnedUntil.get(server) ?? -Infinity) > now();
  return {
    inOrder() {
      if (shunnedUntil.size === 0) return servers;
      return [...servers.filter((server) => !isShunned(server)), ...servers.filter(isShunned)];
    },
    note(server, outcome) {
      if (outcome === 'silent') shunnedUntil.set(server, now() + shunMs);
      else shunnedUntil.delete(server);
    },
  };
}
