/** Asking the DNS, for other programs: `postern/dns`. */
export type {
  CaaRecord,
  DnsAnswer,
  LookupOptions,
  Mx,
  RecordData,
  RecordType,
  Resolver,
  SrvRecord,
  TlsaRecord,
} from './resolver.js';
export { stubResolver, type StubResolver, type StubSettings } from './stub/stub-resolver.js';
export { cachingResolver, type CacheSettings } from './cache.js';
export type { TimedAnswer, Upstream } from './upstream.js';
export { readZone, readZoneFile, zoneResolver, type ZoneResolver } from './zone.js';
export { clientName, type ClientName, type ClientNameOptions } from './client-name.js';
export { type Ip, parseIp, reverseName } from '../mail/ip.js';
export type { Result } from '../mail/result.js';
