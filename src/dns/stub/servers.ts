/**
 * The name servers to ask: in the operator's order, silent ones last for a while, so that one dead server does not
 * slow down every look-up.
 */
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

/** Remembers which servers kept silent, and which answer only without EDNS. */
export interface ServerList {
  /** The order in which to ask now. */
  inOrder(): readonly Server[];
  /** False for a while once it `answered without EDNS`. */
  knowsEdns(server: Server): boolean;
  note(server: Server, outcome: 'answered' | 'answered without EDNS' | 'refused' | 'silent'): void;
}

export interface ServerListOptions {
  /** Whether each look-up begins with another server; false by default. */
  readonly rotate?: boolean;
  /** Milliseconds, only compared with itself. */
  readonly now?: () => number;
}

const shunMs = 30_000;
const plainMs = 15 * 60_000;

export function serverList(servers: readonly Server[], options: ServerListOptions = {}): ServerList {
  const { rotate = false, now = () => performance.now() } = options;
  const shunnedUntil = new Map<Server, number>();
  const plainUntil = new Map<Server, number>();
  let first = 0;
  const isIn = (memory: ReadonlyMap<Server, number>, server: Server): boolean =>
    (memory.get(server) ?? -Infinity) > now();
  const isShunned = (server: Server): boolean => isIn(shunnedUntil, server);

  function rotated(): readonly Server[] {
    const order = [...servers.slice(first), ...servers.slice(0, first)];
    first = (first + 1) % servers.length;
    return order;
  }

  return {
    inOrder() {
      const order = rotate && servers.length > 1 ? rotated() : servers;
      if (shunnedUntil.size === 0) return order;
      return [...order.filter((server) => !isShunned(server)), ...order.filter(isShunned)];
    },
    knowsEdns: (server) => !isIn(plainUntil, server),
    note(server, outcome) {
      if (outcome === 'silent') shunnedUntil.set(server, now() + shunMs);
      else shunnedUntil.delete(server);
      if (outcome === 'answered without EDNS') plainUntil.set(server, now() + plainMs);
    },
  };
}
