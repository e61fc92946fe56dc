/** Opens what the settings `catalog` and `bodies` name. Nothing is asked yet. */
import { readCatalogAddress } from './address.js';
import { Bodies } from './bodies/bodies.js';
import { readStoreAddress } from './bodies/store-address.js';
import { Catalog } from './catalog.js';
import { Database, type DatabaseOptions } from './database.js';

/** `address` is the setting, which has been read before. */
export function databaseAt(address: string, more: Omit<DatabaseOptions, 'address'> = {}): Database {
  const read = readCatalogAddress(address);
  if (!read.ok) throw new Error(`catalog: ${read.problem}`);
  return new Database({ address: read.value, ...more });
}

/** npm aws4fetch is loaded where there is a store. */
export async function bodiesAt(address: string): Promise<Bodies> {
  if (address === '') return new Bodies();
  const read = readStoreAddress(address);
  if (!read.ok) throw new Error(`bodies: ${read.problem}`);
  const { ObjectStore } = await import('./bodies/object-store.js');
  return new Bodies(new ObjectStore(read.value));
}

/** The catalog of the setting `catalog_read`; undefined where there is none. */
export const replicaAt = (address: string): Catalog | undefined =>
  address === '' ? undefined : new Catalog(databaseAt(address, { readOnly: true }));
