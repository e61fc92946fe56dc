/** What a session works with; made by cli/wire.ts. Renewed as a whole on HUP; running sessions keep theirs. */
import type { ContentReader } from '../mime/content-reader.js';
import type { Resolver } from '../dns/resolver.js';
import type { ClientName } from '../hooks/plugin.js';
import type { HookLog } from '../hooks/run.js';
import type { PluginSurroundings } from '../hooks/shown/surroundings.js';
import type { HookTable } from '../hooks/table.js';
import type { Journal } from '../journal/journal.js';
import type { Eventual } from '../mail/eventual.js';
import type { Ip } from '../mail/ip.js';
import type { GateMetrics } from '../metrics/gate.js';
import type { Quarantine } from '../quarantine/quarantine.js';
import type { DestinationList } from '../relay/destination/destination.js';
import type { Refusals } from '../relay/refusals.js';
import type { Relay } from '../relay/relay.js';
import type { Settings } from '../settings/settings.js';
import type { Srv } from '../srv/srv.js';
import type { Store } from '../store/store.js';
import type { IncomingLimits } from './message/incoming.js';

export interface Log {
  debug(details: object, text: string): void;
  info(details: object, text: string): void;
  warn(details: object, text: string): void;
  error(details: object, text: string): void;
  /** The same as `info`, of details that are fields of JSON, each behind a comma. */
  infoMade(fields: string, text: string): void;
}

/** Delivery status notifications (RFC 3461) are the MTAs' business: they are offered where each of them does. */
export interface DsnOffer {
  readonly isOffered: boolean;
  /** A domain has destinations of its own: they are asked from now on. */
  met(list: DestinationList): void;
}

export interface Services {
  readonly settings: Settings;
  readonly srv: Srv;
  readonly plugins: HookTable;
  readonly dns: Resolver;
  /** Markers, DNS, store and our own name, as plugins see them. */
  readonly surroundings: PluginSurroundings;
  /** Never rejects; answers within `dns_timeout`. */
  readonly clientName: (ip: Ip) => Eventual<ClientName>;
  readonly quarantine: Quarantine;
  readonly relay: Relay;
  readonly refusals: Pick<Refusals, 'remember' | 'recall'>;
  readonly dsn: DsnOffer;
  readonly store: Store;
  readonly content: ContentReader;
  readonly incoming: IncomingLimits;
  /** What became of every mail; undefined where nothing may be written. */
  readonly journal: Journal | undefined;
  readonly metrics: GateMetrics;
  readonly log: Log;
  /** A log whose lines carry these details. */
  readonly hookLog: (details: object) => HookLog;
}
