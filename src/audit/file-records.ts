/** What the audit says of a domain's file that was written or taken away, by the page or by a command. */
import type { AuditRecord } from './audit.js';

export interface FileChange {
  readonly kind: 'written' | 'removed';
  readonly file: string;
  /** It is what the file held before. */
  readonly old: string;
  readonly lines?: readonly string[];
}

export const fileRecord = ({ kind, file, old, lines = [] }: FileChange): Omit<AuditRecord, 'from' | 'who'> => ({
  what: kind === 'written' ? 'file written' : 'file removed',
  target: file,
  ...(old !== '' && { old }),
  ...(lines.length > 0 && { detail: lines.join(', ') }),
  result: 'done',
});
