/** Where page and commands find what has been kept, by the settings: the catalog, or the files of this host. */
import { journalDir } from '../journal/hours.js';
import { journalOnDisk, type JournalSource } from '../journal/journal-source.js';
import type { KeptMails } from '../quarantine/kept-mails.js';
import { keptOnDisk } from '../quarantine/kept-on-disk.js';
import type { Settings } from '../settings/settings.js';

/** `here`: the files of this host, whatever else there is. */
export async function mailsFor(settings: Settings, { here = false } = {}): Promise<KeptMails> {
  if (settings.catalog === '' || here) return keptOnDisk(settings.spam);
  // npm pg is loaded by those who want it.
  const { Catalog, databaseAt } = await import('../catalog/catalog.js');
  const { KeptInCatalog } = await import('../catalog/kept-in-catalog.js');
  const { nodeName } = await import('../catalog/ship/node-name.js');
  return new KeptInCatalog(new Catalog(databaseAt(settings.catalog)), nodeName(settings.state));
}

export const journalFor = ({ state }: Settings): JournalSource => journalOnDisk(journalDir(state));
