/** A host's journal as files, and as the catalog has it. */
import fs from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Catalog } from '../../../src/catalog/catalog.js';
import { databaseAt } from '../../../src/catalog/open.js';
import { JournalInCatalog } from '../../../src/catalog/journal/journal-in-catalog.js';
import { SumsInCatalog } from '../../../src/catalog/journal/sums-in-catalog.js';
import { readsOf } from '../../../src/catalog/replica.js';
import { hourAt } from '../../../src/journal/hours.js';
import type { JournalSource, SourceSearch } from '../../../src/journal/journal-source.js';
import { type JournalLine, journalText } from '../../../src/journal/line.js';
import { parseJournalQuery } from '../../../src/journal/query.js';
import type { Shipper } from '../../../src/catalog/ship/shipper.js';
import { relayed } from '../../journal/support.js';
import { type Host, openHost } from '../support.js';

export interface JournalHost extends Host {
  /** `state/journal` */
  readonly dir: string;
  readonly journal: JournalSource;
  readonly sums: SumsInCatalog;
  /** Appends lines to the hours of their times. */
  write(...lines: readonly JournalLine[]): void;
  shipJournal(keepMs?: number): Shipper;
}

export function openJournalHost(t: TestContext, url: string, name: string): JournalHost {
  const host = openHost(t, url, name);
  const dir = path.join(host.state, 'journal');
  const catalog = new Catalog(databaseAt(url));
  t.after(() => catalog.close());
  return {
    ...host,
    dir,
    journal: new JournalInCatalog(catalog),
    sums: new SumsInCatalog(readsOf(catalog)),
    write(...lines) {
      for (const line of lines) {
        const { file } = hourAt(dir, Date.parse(line.time));
        fs.mkdirSync(path.dirname(file), { recursive: true });
        fs.appendFileSync(file, journalText({ node: name, ...line }));
      }
    },
    shipJournal: (keepMs = 0) => host.ship({ journal: { dir, keepMs } }),
  };
}

/** A relayed mail of just now, or so many milliseconds ago. */
export const lineAt = (agoMs: number, more: Partial<JournalLine> = {}): JournalLine => ({
  ...relayed,
  time: new Date(Date.now() - agoMs).toISOString(),
  ...more,
});

/** What a search finds, newest first. */
export async function linesIn(
  journal: JournalSource,
  text = '',
  more: Partial<SourceSearch> = {},
): Promise<readonly JournalLine[]> {
  const query = parseJournalQuery(text);
  if (!query.ok) throw new Error(query.problem);
  const lines: JournalLine[] = [];
  for await (const step of journal.search({ query: query.value, ...more })) if ('line' in step) lines.push(step.line);
  return lines;
}
