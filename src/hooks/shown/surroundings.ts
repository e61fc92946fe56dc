/**
 * What plugins see beside the mail, the same for every mail: the markers, DNS, the store, and who we are. Each is
 * behind a frozen object that passes questions on, so that no plugin can put another answer in the place of ours.
 */
import type { DnsAnswer, LookupOptions, RecordData, RecordType, Resolver } from '../../dns/resolver.js';
import { type Eventual, after } from '../../mail/eventual.js';
import { deepFreeze } from '../../mail/frozen.js';
import type { Ip } from '../../mail/ip.js';
import type { Store, StoreAnswer } from '../../store/store.js';
import type { Host, Markers, PluginStore } from '../contexts.js';

export interface PluginSurroundings {
  readonly markers: Markers;
  readonly dns: Resolver;
  readonly store: PluginStore;
  readonly host: Host;
}

interface SurroundingsSource {
  readonly markers: Markers;
  readonly dns: Resolver;
  readonly store: Store;
  readonly host: Host;
}

export const surroundings = ({ markers, dns, store, host }: SurroundingsSource): PluginSurroundings =>
  Object.freeze({
    markers: Object.freeze(new SeenMarkers(markers)),
    dns: Object.freeze(new SeenResolver(dns)),
    store: Object.freeze(new SeenStore(store)),
    host: deepFreeze({ ...host, spfForwarders: [...host.spfForwarders] }),
  });

class SeenMarkers implements Markers {
  readonly #markers: Markers;

  constructor(markers: Markers) {
    this.#markers = markers;
  }

  checkMode(domain: string, check: string, inAll: boolean): ReturnType<Markers['checkMode']> {
    return this.#markers.checkMode(domain, check, inAll);
  }

  checkModes(domain: string): ReturnType<Markers['checkModes']> {
    return this.#markers.checkModes(domain);
  }

  lines(domain: string, file: string): readonly string[] | undefined {
    return deepFreeze(this.#markers.lines(domain, file));
  }

  recipient(domain: string, localPart: string, client: Ip): ReturnType<Markers['recipient']> {
    const found = this.#markers.recipient(domain, localPart, client);
    return found.kind === 'valid' ? { kind: 'valid', marker: found.marker } : deepFreeze(found); // a copy costs less
  }

  listed(domain: string, list: 'blacklisted' | 'whitelisted', kind: string, key: string): string | undefined {
    return this.#markers.listed(domain, list, kind, key);
  }

  anyListed(domain: string, list: 'blacklisted' | 'whitelisted', kind: string): boolean {
    return this.#markers.anyListed(domain, list, kind);
  }

  addressListed(domain: string, list: 'blacklisted' | 'whitelisted', client: Ip): string | undefined {
    return this.#markers.addressListed(domain, list, client);
  }

  recipientWhitelisted(domain: string, localPart: string): string | undefined {
    return this.#markers.recipientWhitelisted(domain, localPart);
  }
}

/** Answers are remembered, and shown to the next mail as well. */
class SeenResolver implements Resolver {
  readonly #resolver: Resolver;

  constructor(resolver: Resolver) {
    this.#resolver = resolver;
  }

  lookup<T extends RecordType>(name: string, type: T, options?: LookupOptions): Eventual<DnsAnswer<RecordData[T]>> {
    return after(this.#resolver.lookup(name, type, options), deepFreeze);
  }
}

class SeenStore implements PluginStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get(key: string): Promise<StoreAnswer<string | undefined>> {
    return this.#store.get(key);
  }

  claim(key: string, value: string, lifeMs: number): Promise<StoreAnswer<string>> {
    return this.#store.claim(key, value, lifeMs);
  }

  put(key: string, value: string, lifeMs: number): Promise<StoreAnswer<undefined>> {
    return this.#store.put(key, value, lifeMs);
  }

  add(key: string, by: number, lifeMs: number): Promise<StoreAnswer<number>> {
    return this.#store.add(key, by, lifeMs);
  }
}

for (const seen of [SeenMarkers, SeenResolver, SeenStore]) {
  Object.freeze(seen);
  Object.freeze(seen.prototype);
}
