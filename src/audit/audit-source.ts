/** The audit as whoever looks at it sees it: page and command. Where it is, is the business of whoever makes one. */
import { type AuditEntry, holdsWords } from './audit-entry.js';
import { readAudit } from './audit.js';

export interface AuditSource {
  /** Yields the entries that hold each of the words, newest first. Broken IO throws. */
  find(words: readonly string[]): AsyncGenerator<AuditEntry>;
}

/** What was changed on this host. */
export const auditOnDisk = (state: string): AuditSource => ({
  async *find(words) {
    for (const entry of readAudit(state)) if (holdsWords(entry, words)) yield entry;
  },
});
