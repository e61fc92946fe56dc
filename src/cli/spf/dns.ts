/**
 * Where `postern spf` looks names up, and for how long: in a zone file, at a name server, or at those of the system.
 */
import { readFileSync } from 'node:fs';
import { cachingResolver } from '../../dns/cache.js';
import type { Resolver } from '../../dns/resolver.js';
import { parseServer } from '../../dns/stub/servers.js';
import { stubResolver } from '../../dns/stub/stub-resolver.js';
import { readZoneFile } from '../../dns/zone.js';
import { type Result, wrong } from '../../mail/result.js';
import { printable } from '../../mail/text.js';
import { duration } from '../../settings/value-kind.js';
import { spfExit } from './exit.js';

export interface Dns {
  readonly resolver: Resolver;
  /** Milliseconds for one evaluation. */
  readonly totalMs: number;
}

/** Why there is none, with the exit code for it. */
export interface DnsProblem {
  readonly code: number;
  readonly text: string;
}

/** RFC 7208 §4.6.4: "at least 20 seconds". */
const usualTimeout = '20s';
const timeoutKind = duration(1, 3_600_000);
/** A name server has no more than this for one look-up, however long the evaluation may take. */
const maxLookupMs = 10_000;

export function dnsOf(options: ReadonlyMap<string, string>): Result<Dns, DnsProblem> {
  const zone = options.get('zone');
  const server = options.get('server');
  const timeout = timeoutKind.parse(options.get('timeout') ?? usualTimeout);
  if (!timeout.ok) return no(spfExit.usage, `--timeout ${timeout.problem}`);
  if (zone !== undefined && server !== undefined) {
    return no(spfExit.usage, '--zone answers in place of a name server: give --zone or --server, not both');
  }
  if (zone !== undefined) return zoneOf(zone, timeout.value);
  if (server !== undefined && !parseServer(server)) {
    return no(spfExit.usage, `--server must be ip, ip:port or [ip6]:port, not ${shown(server)}`);
  }
  const stub = stubResolver({
    ...(server !== undefined && { servers: [server] }),
    totalMs: Math.min(timeout.value, maxLookupMs),
  });
  return { ok: true, value: { resolver: cachingResolver(stub), totalMs: timeout.value } };
}

function zoneOf(path: string, totalMs: number): Result<Dns, DnsProblem> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    return no(spfExit.noInput, `--zone: ${shown(path)} cannot be read (${why})`);
  }
  const zone = readZoneFile(text);
  if (!zone.ok) return no(spfExit.dataError, `--zone: ${shown(path)}: ${zone.problem}`);
  return { ok: true, value: { resolver: zone.value, totalMs } };
}

const no = (code: number, text: string): Result<never, DnsProblem> => wrong({ code, text });
const shown = (text: string): string => `"${printable(text, 200)}"`;
