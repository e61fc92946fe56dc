/**
 * What made a plugin reject a mail that is kept: the marker, the value. The quarantine's index has the public reason
 * alone, and the journal has the mail's line as long as it keeps lines.
 */
import { hourMs } from '../hours.js';
import type { JournalSource, SourceSearch } from '../journal-source.js';
import { queryOf } from '../query.js';

export interface RejectionAsked extends Pick<SourceSearch, 'show' | 'domains'> {
  readonly journal: JournalSource;
  readonly id: string;
  /** It is what the index says of the mail, where it has a line. */
  readonly entry: { readonly time: string; readonly plugin: string; readonly reason: string } | undefined;
}

/** '' where the journal does not have it, cannot be read, or says nothing beyond the public reason. */
export async function rejectionLog({ journal, id, entry, ...who }: RejectionAsked): Promise<string> {
  const parsed = queryOf([{ key: 'id', value: id, not: false }]);
  const at = Date.parse(entry?.time ?? '');
  if (!entry || !parsed.ok || Number.isNaN(at)) return '';
  const query = { ...parsed.value, after: at - hourMs, before: at + hourMs };
  try {
    for await (const step of journal.search({ ...who, query }))
      if ('line' in step && step.line.plugin === entry.plugin && step.line.filename !== undefined)
        return step.line.reason === entry.reason ? '' : (step.line.reason ?? '');
  } catch {
    // The mail is shown all the same.
  }
  return '';
}
