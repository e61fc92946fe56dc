/** Where page and commands find what has been kept and agreed on: the files of this host, or the catalog of several. */
import { auditOnDisk, type AuditSource } from '../audit/audit-source.js';
import type { Catalog } from '../catalog/catalog.js';
import type { Sql } from '../catalog/database.js';
import type { SessionRows } from '../catalog/shared/sessions.js';
import type { TokenLines } from '../catalog/shared/tokens.js';
import { type DigestLinks, Links } from '../digest/links.js';
import { type SentDigests, SentOnDisk } from '../digest/sent-digests.js';
import { journalDir } from '../journal/hours.js';
import { journalOnDisk, type JournalSource } from '../journal/journal-source.js';
import { MailCounts } from '../journal/sums/mail-sums.js';
import type { KeptMails } from '../quarantine/kept-mails.js';
import { keptOnDisk } from '../quarantine/kept-on-disk.js';
import type { Settings } from '../settings/settings.js';

export interface Holdings {
  readonly mails: KeptMails;
  readonly audit: AuditSource;
  readonly links: DigestLinks;
  readonly sent: SentDigests;
  /** Who may log in to the page beside those of `web_tokens`, and who has; undefined where hosts share none. */
  readonly logins: { readonly tokens: TokenLines; readonly sessions: SessionRows } | undefined;
  close(): Promise<void>;
}

/** `here`: the files of this host, whatever else there is. Nothing is asked of a database yet. */
export async function openHoldings(settings: Settings, { here = false } = {}): Promise<Holdings> {
  const { spam, state, catalog } = settings;
  if (catalog !== '' && !here) return sharedHoldings(settings);
  return {
    mails: keptOnDisk(spam),
    audit: auditOnDisk(state),
    links: new Links(state),
    sent: new SentOnDisk(state),
    logins: undefined,
    close: async () => undefined,
  };
}

interface OpenCatalog {
  readonly catalog: Catalog;
  /** Whoever is asked for lists, searches and charts. */
  readonly reads: Sql;
  close(): Promise<void>;
}

/** npm pg is loaded by those who want it. */
async function openCatalog(settings: Settings): Promise<OpenCatalog> {
  const { Catalog: OfHosts } = await import('../catalog/catalog.js');
  const { databaseAt, replicaAt } = await import('../catalog/open.js');
  const { ReadFirst, readsOf } = await import('../catalog/replica.js');
  const catalog = new OfHosts(databaseAt(settings.catalog));
  const replica = replicaAt(settings.catalog_read);
  return {
    catalog,
    reads: replica ? new ReadFirst(replica, catalog) : readsOf(catalog),
    close: async () => void (await Promise.all([catalog.close(), replica?.close()])),
  };
}

async function sharedHoldings(settings: Settings): Promise<Holdings> {
  const { bodiesAt } = await import('../catalog/open.js');
  const { KeptInCatalog } = await import('../catalog/kept-in-catalog.js');
  const { AuditInCatalog } = await import('../catalog/shared/audit.js');
  const { LinksInCatalog } = await import('../catalog/shared/links.js');
  const { DigestsInCatalog } = await import('../catalog/shared/digests.js');
  const { SessionRows: Rows } = await import('../catalog/shared/sessions.js');
  const { TokenLines: Lines } = await import('../catalog/shared/tokens.js');
  const { nodeName } = await import('../catalog/ship/node-name.js');
  const { catalog, reads, close } = await openCatalog(settings);
  const node = nodeName(settings.state);
  return {
    mails: new KeptInCatalog(catalog, node, await bodiesAt(settings.bodies), reads),
    audit: new AuditInCatalog(catalog),
    links: new LinksInCatalog(catalog),
    sent: new DigestsInCatalog(catalog, node),
    logins: { tokens: new Lines(catalog), sessions: new Rows(catalog) },
    close,
  };
}

export interface JournalHoldings {
  readonly journal: JournalSource;
  readonly counts: Pick<MailCounts, 'of'>;
  /** `state/journal`, where the files are asked; undefined where the catalog is. */
  readonly dir: string | undefined;
  /** Takes an address out of the lines of all hosts; returns how many named it. `progress` gets the share done. */
  readonly erase?: (address: string, progress: (share: number) => void) => Promise<number>;
  close(): Promise<void>;
}

/** `here`: the files of this host, whatever else there is. */
export async function openJournalHoldings(
  settings: Settings,
  { here = false, counting = {} }: { here?: boolean; counting?: ConstructorParameters<typeof MailCounts>[1] } = {},
): Promise<JournalHoldings> {
  const dir = journalDir(settings.state);
  if (here || !isJournalShared(settings))
    return { journal: journalOnDisk(dir), counts: new MailCounts(dir, counting), dir, close: async () => undefined };
  const { JournalInCatalog } = await import('../catalog/journal/journal-in-catalog.js');
  const { SumsInCatalog } = await import('../catalog/journal/sums-in-catalog.js');
  const { catalog, reads, close } = await openCatalog(settings);
  return {
    journal: new JournalInCatalog(catalog, reads),
    counts: new SumsInCatalog(reads),
    dir: undefined,
    erase: async (address, progress) => {
      const { eraseInCatalog } = await import('../catalog/journal/erasures.js');
      return eraseInCatalog(catalog, address, progress);
    },
    close,
  };
}

/** Do page and commands show what all hosts have written? */
export const isJournalShared = ({ catalog, journal_to }: Settings): boolean =>
  catalog !== '' && journal_to === 'catalog';
