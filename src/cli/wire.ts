/** Wires the parts that a session works with. Everything that is read anew on HUP is made here. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cachingResolver } from '../dns/cache.js';
import { clientName } from '../dns/client-name.js';
import type { Resolver } from '../dns/resolver.js';
import { stubResolver } from '../dns/stub/stub-resolver.js';
import { measured } from '../dns/upstream.js';
import { readZoneFile } from '../dns/zone.js';
import { loadListed } from '../hooks/loading/load.js';
import { surroundings } from '../hooks/shown/surroundings.js';
import { HookTable } from '../hooks/table.js';
import { journalDir } from '../journal/hours.js';
import { openJournal } from '../journal/journal.js';
import { openContentReader } from '../mime/content-reader.js';
import { errorText } from '../mail/error-text.js';
import { type Ip, ip4FromWord } from '../mail/ip.js';
import { type Quarantine, openQuarantine } from '../quarantine/quarantine.js';
import { GateMetrics } from '../metrics/gate.js';
import { Refusals } from '../relay/refusals.js';
import { MemoryPool } from '../smtp/message/memory-pool.js';
import { everyDestination } from '../relay/destination/destination.js';
import { readText } from '../settings/read-text.js';
import type { Settings } from '../settings/settings.js';
import type { Services } from '../smtp/services.js';
import { Srv } from '../srv/srv.js';
import { Embedded } from '../store/embedded.js';
import { Overlay } from '../store/overlay.js';
import { readRedisAddress } from '../store/redis-address.js';
import { loadRedis } from '../store/redis-client.js';
import { BackedStore, type Backend, type Store } from '../store/store.js';
import type { Logger } from '../log.js';
import { dayMs, ownLimits } from '../srv/expiry.js';
import { relayOf, relaySettings } from './relay/relaying.js';
import { type Account, giveFolders } from './service/privileges.js';
import { pluginFolder, pluginList } from './package-root.js';
import { type Problems, type Result, wrong } from '../mail/result.js';
import { withoutPasswords } from '../mail/secret.js';

export type Wired = Result<Services, Problems>;

/** What a worker shares with the others, by way of the primary. */
export interface SharedParts {
  /** The embedded store. */
  readonly store: () => Backend;
  readonly refusals: (own: Refusals) => Services['refusals'];
  readonly dsn: Services['dsn'];
}

interface WireOptions {
  /** Those of the settings before. */
  readonly kept?: Services;
  /** Where there are other processes. */
  readonly shared?: SharedParts;
  /** What this process counts; something that nobody reads where it is not given. */
  readonly metrics?: GateMetrics;
}

/** Makes all services of these settings. */
export async function wire(
  settings: Settings,
  log: Logger,
  { kept, shared, metrics = new GateMetrics() }: WireOptions = {},
): Promise<Wired> {
  const spoolDir = join(settings.state, 'spool');
  const problem = makeFolder('state', spoolDir, settings);
  if (problem !== undefined) return wrong([problem]);
  const store: Result<Store> =
    kept && same(kept.settings, settings, ['store', 'state'])
      ? { ok: true, value: kept.store }
      : await storeOf(settings, log, shared);
  if (!store.ok) return wrong([store.problem]);
  const refusals = kept?.refusals ?? refusalsOf(shared);
  return wireWith({ settings, log, kept, store: store.value, refusals, dsn: shared?.dsn, metrics, spoolDir });
}

/** As `wire`, but nothing is made on disk, and what is remembered is only read. */
export async function wireToTry(settings: Settings, log: Logger): Promise<Wired> {
  const backend = await backendOf(settings, log);
  if (!backend.ok) return wrong([backend.problem]);
  const store = new BackedStore(new Overlay(backend.value));
  const metrics = new GateMetrics();
  return wireWith({ settings, log, kept: undefined, store, refusals: refusalsOf(), metrics, spoolDir: '' });
}

async function wireWith(given: Omit<WireParts, 'resolver' | 'plugins'>): Promise<Wired> {
  const { settings, metrics } = given;
  const resolver = makeResolver(settings, (seconds) => metrics.dnsSeconds?.observe(seconds));
  if (!resolver.ok) return wrong([resolver.problem]);
  const loaded = await loadListed(listOf(settings), foldersOf(settings));
  if (!loaded.ok) return loaded;
  const listed = loaded.value.map(({ plugin }) => plugin);
  metrics.allowPlugins(listed.map(({ name }) => name));
  for (const { filter } of listed) filter?.measuredBy(metrics.filterMeter(filter.name));
  for (const { text } of everyDestination(settings.relay)) metrics.allowDestination(text);
  // The clock is looked at for each plugin only where somebody reads it.
  const meterOf = settings.metrics && ((plugin: string) => metrics.meterOf(plugin));
  const anywhere = loaded.value.filter((one) => one.listed.anywhere).map(({ plugin }) => plugin.name);
  const plugins = new HookTable(listed, { meterOf, anywhere: new Set(anywhere) });
  return { ok: true, value: services({ ...given, resolver: resolver.value, plugins }) };
}

/** The plugins that the settings name, without anything else. */
export const listOf = (settings: Settings): string => (settings.plugins === '' ? pluginList : settings.plugins);
export const foldersOf = (settings: Settings): readonly string[] => [...settings.plugin_dirs, pluginFolder];

interface WireParts {
  readonly settings: Settings;
  readonly log: Logger;
  readonly kept: Services | undefined;
  readonly resolver: Resolver;
  readonly plugins: HookTable;
  readonly store: Store;
  readonly refusals: Services['refusals'];
  readonly dsn?: Services['dsn'] | undefined;
  readonly metrics: GateMetrics;
  readonly spoolDir: string;
}

/** Nobody has asked the MTAs. */
const noDsn: Services['dsn'] = { isOffered: false, met: () => {} };

function services({
  settings,
  log,
  kept,
  resolver,
  plugins,
  store,
  refusals,
  dsn,
  metrics,
  spoolDir,
}: WireParts): Services {
  const srv = srvOf(settings, true);
  return {
    settings,
    plugins,
    srv,
    dns: resolver,
    store,
    surroundings: surroundings({
      markers: srv,
      dns: resolver,
      store,
      host: {
        hostname: settings.hostname,
        authservId: settings.authserv_id,
        spfForwarders: settings.spf_forwarders,
        spfVoids: settings.spf_voids,
        storeDown: settings.store_down,
        maxSize: settings.max_size,
      },
    }),
    clientName: (ip: Ip) =>
      isLoopback(ip) ? localhost : clientName(resolver, ip, { timeoutMs: settings.dns_timeout }),
    quarantine: kept && same(kept.settings, settings, quarantineSettings) ? kept.quarantine : quarantineOf(settings),
    relay:
      kept && same(kept.settings, settings, relaySettings)
        ? kept.relay
        : relayOf(settings, {
            resolver,
            onError: (problem) => log.warn({ problem }, 'local MTA'),
            onDetour: (destination) => metrics.detoured(destination),
          }),
    refusals,
    dsn: dsn ?? noDsn,
    metrics,
    content: kept?.content ?? openContentReader(),
    incoming: {
      maxSize: settings.max_size,
      maxHeaderSize: settings.max_header_size,
      memory: settings.memory_limit,
      pool:
        kept && same(kept.settings, settings, ['memory_total'])
          ? kept.incoming.pool
          : new MemoryPool(settings.memory_total),
      spoolDir,
    },
    // Whoever only tries writes nothing.
    journal: spoolDir === '' ? undefined : journalOf({ settings, log, kept, metrics }),
    log,
    hookLog: (details) => log.child(details),
  };
}

/** RFC 6761 §6.3: no name server needs to be asked. */
const localhost = { kind: 'confirmed', name: 'localhost' } as const;
const isLoopback = (ip: Ip): boolean => (ip.family === 4 ? (ip.words[0] ?? 0) >>> 24 === 127 : ip.text === '::1');

export const srvOf = (
  settings: Pick<Settings, 'srv' | 'recipient_delimiter' | 'blacklist_dir'>,
  oncePerTurn = false,
): Srv =>
  new Srv({
    root: settings.srv,
    recipientDelimiter: settings.recipient_delimiter,
    blacklistDir: settings.blacklist_dir,
    oncePerTurn,
  });

/**
 * As at RCPT, from this machine: is there a marker of just that name? Throws BrokenMarker where /srv cannot be read.
 */
export function hasUser(settings: Settings): (domain: string, localPart: string) => boolean {
  const srv = srvOf(settings);
  return (domain, localPart) => {
    const found = srv.recipient(domain, localPart, ip4FromWord(0x7f000001));
    return found.kind === 'valid' && !found.marker.endsWith('/*');
  };
}

const quarantineSettings = ['spam', 'srv', 'hostname', 'expire', 'expire_size', 'index_link'] as const;

export const quarantineOf = (settings: Settings): Quarantine =>
  openQuarantine({
    root: settings.spam,
    hostname: settings.hostname,
    expireDays: settings.expire / dayMs,
    expireOctets: settings.expire_size,
    indexLink: settings.index_link,
    ownLimits: (domain) => ownLimits(srvOf(settings), domain),
  });

const journalSettings = ['state', 'journal', 'journal_subject', 'journal_mask', 'hostname'] as const;

function journalOf({
  settings,
  log,
  kept,
  metrics,
}: Pick<WireParts, 'settings' | 'log' | 'kept' | 'metrics'>): Services['journal'] {
  if (kept?.journal && same(kept.settings, settings, journalSettings)) return kept.journal;
  kept?.journal?.close();
  return openJournal({
    dir: journalDir(settings.state),
    subject: settings.journal_subject,
    node: settings.hostname,
    keepMs: settings.journal,
    maskMs: settings.journal_mask,
    ...(metrics.journalLost && { lost: metrics.journalLost }),
    onLoss: (lost, problem) => log.error({ lost, problem }, 'journal: lines are lost'),
    onCare: ({ removed, masked, problems }) => {
      if (removed.length > 0 || masked > 0) log.info({ removed, masked }, 'journal expired');
      for (const problem of problems) log.error({ problem }, 'journal');
    },
  });
}

async function storeOf(settings: Settings, log: Logger, shared?: SharedParts): Promise<Result<Store>> {
  const backend = await backendOf(settings, log, shared);
  return backend.ok ? { ok: true, value: new BackedStore(backend.value) } : backend;
}

async function backendOf(settings: Settings, log: Logger, shared?: SharedParts): Promise<Result<Backend>> {
  const { store: url } = settings;
  if (url === '') return { ok: true, value: shared?.store() ?? embeddedOf(settings, log) };
  const [client, address] = [await loadRedis(), readRedisAddress(url)];
  if (!client.ok) return wrong(`store = ${withoutPasswords(url)}: ${client.problem}`);
  if (!address.ok) return wrong(`store: ${address.problem}`);
  const onChange = (problem: string | undefined): void =>
    problem === undefined ? log.info({}, 'store: connected') : log.warn({ problem }, 'store');
  return { ok: true, value: new client.value.Redis({ address: address.value, onChange }) };
}

function refusalsOf(shared?: SharedParts): Services['refusals'] {
  const refusals = new Refusals({ now: () => performance.now() });
  return shared?.refusals(refusals) ?? refusals;
}

export const embeddedOf = (settings: Settings, log: Logger): Embedded =>
  new Embedded({ file: join(settings.state, 'store'), onProblem: (problem) => log.warn({ problem }, 'store') });

const same = (a: Settings, b: Settings, names: readonly (keyof Settings)[]): boolean =>
  changed(a, b, names).length === 0;

/** Those of the settings that are not the same in both. */
export const changed = (a: Settings, b: Settings, names: readonly (keyof Settings)[]): readonly string[] =>
  names.filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));

/** Settings that have changed and are only read at a start are no news but a warning: they do not hold yet. */
export function tellReloaded(log: Logger, restartFor: readonly string[]): void {
  if (restartFor.length === 0) log.info({ restart_for: restartFor }, 'reloaded');
  else log.warn({ restart_for: restartFor }, 'reloaded, but these settings stay as they were until a restart');
}

/** It fails where the zone file is wrong. */
export function makeResolver(settings: Settings, heard: Parameters<typeof measured>[1] = () => {}): Result<Resolver> {
  if (settings.dns_zone !== '') return zoneOf(settings.dns_zone);
  const servers = settings.dns_servers;
  const stub = stubResolver({ ...(servers.length > 0 && { servers }), totalMs: settings.dns_timeout });
  return { ok: true, value: cachingResolver(measured(stub, heard)) };
}

function zoneOf(path: string): Result<Resolver> {
  const bad = (problem: string): Result<never> => wrong(`dns_zone: ${path}: ${problem}`);
  try {
    const zone = readZoneFile(readText(path));
    return zone.ok ? zone : bad(zone.problem);
  } catch (error) {
    return bad(`cannot be read (${(error as NodeJS.ErrnoException).code ?? errorText(error)})`);
  }
}

/** What is wrong with a folder of ours that has to be there; undefined once it is. */
export function makeFolder(setting: string, path: string, account: Account): string | undefined {
  try {
    const made = mkdirSync(path, { recursive: true, mode: 0o750 });
    if (made !== undefined) giveFolders(path, made, account);
    return undefined;
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    const inTheWay = code === 'ENOTDIR' || code === 'EEXIST';
    const why = inTheWay ? ': a file has the name of a folder on its way' : ` (${code})`;
    return `${setting}: ${path}: cannot be made${why}; make it, writable for the user that postern runs as`;
  }
}
