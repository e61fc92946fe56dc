/** Files that URLs among the settings name: passwords, keys, a CA. Mail goes on without them, so they are warnings. */
import { readFileSync } from 'node:fs';
import { readStoreAddress } from '../../catalog/bodies/store-address.js';
import { readCatalogAddress } from '../../catalog/address.js';
import { errorText } from '../../mail/error-text.js';
import type { Settings } from '../../settings/settings.js';
import { readRedisAddress } from '../../store/redis-address.js';

type Named = readonly [setting: string, file: string];

/** A sentence for each that cannot be read. */
export const unreadableFiles = (settings: Settings): readonly string[] =>
  [
    ...ofCatalog('catalog', settings.catalog),
    ...ofCatalog('catalog_read', settings.catalog_read),
    ...ofBodies(settings.bodies),
    ...ofStore(settings.store),
  ].flatMap(([setting, file]) => {
    if (file === '') return [];
    try {
      readFileSync(file);
      return [];
    } catch (error) {
      return [`${setting}: a file that it names cannot be read: ${errorText(error)}`];
    }
  });

function ofCatalog(setting: string, text: string): readonly Named[] {
  const read = readCatalogAddress(text);
  if (!read.ok) return [];
  return [
    [setting, read.value.passwordFile],
    [setting, read.value.rootCert],
  ];
}

function ofBodies(text: string): readonly Named[] {
  const read = readStoreAddress(text);
  return read.ok ? [['bodies', read.value.keyFile]] : [];
}

function ofStore(text: string): readonly Named[] {
  const read = readRedisAddress(text);
  return read.ok ? [['store', read.value.sentinelPasswordFile]] : [];
}
