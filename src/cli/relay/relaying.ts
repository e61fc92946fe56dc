/** The way to the MTAs behind, as the settings have it. */
import { readFileSync, statSync } from 'node:fs';
import tls from 'node:tls';
import { readHosts } from '../../dns/hosts-file.js';
import type { Resolver } from '../../dns/resolver.js';
import { type Ip, parseIp } from '../../mail/ip.js';
import { parseAddress } from '../../mail/address.js';
import { errorText } from '../../mail/error-text.js';
import { type Result, wrong } from '../../mail/result.js';
import { type Names, namesBy } from '../../relay/connection/names.js';
import type { OpeningOptions } from '../../relay/connection/opening.js';
import type { DestinationList } from '../../relay/destination/destination.js';
import { openRelay, type Relay } from '../../relay/relay.js';
import type { Settings } from '../../settings/settings.js';
import type { Srv } from '../../srv/srv.js';

export const relaySettings = [
  'relay',
  'relay_ca',
  'hostname',
  'relay_connections',
  'relay_mails_per_connection',
  'relay_timeout',
] as const;

interface RelayParts {
  readonly resolver: Resolver;
  readonly onError: (problem: string) => void;
  readonly onDetour?: (destination: string) => void;
}

export const relayOf = (settings: Settings, { resolver, ...heard }: RelayParts): Relay =>
  openRelay({
    ...openingOf(settings, resolver),
    ...heard,
    destinations: settings.relay,
    connections: settings.relay_connections,
    mailsPerConnection: settings.relay_mails_per_connection,
    timeoutMs: settings.relay_timeout,
  });

/** How any MTA behind is spoken to. */
export const openingOf = (
  { hostname, relay_ca }: Settings,
  resolver: Resolver,
): Pick<OpeningOptions, 'hostname' | 'names' | 'trusted'> => ({
  hostname,
  names: namesOf(resolver),
  trusted: trustedBy(relay_ca === '' ? systemAuthorities : [relay_ca]),
});

/**
 * For whoever has a mail and no session: it goes where its recipient's domain has it. `srv` is asked at each mail;
 * where the domain's file makes no sense the mail stays here.
 */
export const byDomain = (relay: Relay, srv: Pick<Srv, 'destinations'>): Relay => ({
  send: async (request) => {
    const to = destinationsOf(request.recipients, srv);
    return to.ok ? relay.send({ ...request, to: to.value }) : { kind: 'unreachable', problem: to.problem };
  },
  probe: (recipient, to) => relay.probe(recipient, to),
  rest: () => relay.rest(),
  close: () => relay.close(),
});

function destinationsOf(
  [first = '']: readonly string[],
  srv: Pick<Srv, 'destinations'>,
): Result<DestinationList | undefined> {
  try {
    const domain = parseAddress(first)?.domain;
    return { ok: true, value: domain === undefined ? undefined : srv.destinations(domain) };
  } catch (error) {
    return wrong(errorText(error));
  }
}

/** What /etc/hosts says, RFC 6761 §6.3 (no name server needs to be asked for ourselves), and our own resolver. */
export const namesOf = (resolver: Resolver, hostsPath = '/etc/hosts'): Names => {
  const hosts = hostsIn(hostsPath);
  return namesBy(async (host) => {
    const own = hosts().get(host.toLowerCase()) ?? (host === 'localhost' ? loopback : undefined);
    if (own !== undefined) return { ok: true, value: own };
    const found = await Promise.all((['A', 'AAAA'] as const).map(async (type) => resolver.lookup(host, type)));
    const ips = found.flatMap((answer) => (answer.kind === 'found' ? answer.records : []));
    const failed = found.find((answer) => answer.kind === 'failed');
    if (ips.length > 0) return { ok: true, value: ips };
    return wrong(
      failed ? `${host}: the DNS says nothing: ${failed.problem}` : `${host}: the DNS knows no address of it`,
    );
  });
};

/** Reads the file again once it has changed. One that cannot be read says nothing. */
function hostsIn(path: string): () => ReadonlyMap<string, readonly Ip[]> {
  let known: { readonly mtimeMs: number; readonly hosts: ReadonlyMap<string, readonly Ip[]> } | undefined;
  return () => {
    try {
      const { mtimeMs } = statSync(path);
      if (known?.mtimeMs !== mtimeMs) known = { mtimeMs, hosts: readHosts(readFileSync(path, 'utf8')) };
      return known.hosts;
    } catch {
      return new Map();
    }
  };
}

const loopback: readonly Ip[] = ['127.0.0.1', '::1'].flatMap((text) => parseIp(text) ?? []);

/** Whom Debian, Red Hat and the BSDs trust. Where there is none of these it is whom Node does. */
const systemAuthorities = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
] as const;

/** Reads the first file that is there, again once it has changed. */
function trustedBy(paths: readonly string[]): () => tls.SecureContext {
  let known: { readonly mtimeMs: number; readonly context: tls.SecureContext } | undefined;
  return () => {
    const path = paths.find((one) => paths.length === 1 || statSync(one, { throwIfNoEntry: false }) !== undefined);
    const mtimeMs = path === undefined ? 0 : statSync(path).mtimeMs;
    if (known?.mtimeMs === mtimeMs) return known.context;
    const context = tls.createSecureContext(path === undefined ? {} : { ca: readFileSync(path) });
    known = { mtimeMs, context };
    return context;
  };
}
