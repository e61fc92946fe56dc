/** Commands write what they have changed into the audit of `state`, as the user that called them. */
import { Audit, type AuditRecord } from '../audit/audit.js';
import { printable } from '../mail/text.js';
import type { Settings } from '../settings/settings.js';
import { complain } from './complain.js';

export type CommandRecord = Omit<AuditRecord, 'from' | 'who'>;

/** The change stands even where it cannot be recorded; that is said on stderr. */
export function recordCommand({ state }: Settings, record: CommandRecord): void {
  const audit = new Audit({ state, onProblem: (problem) => complain([printable(problem, 1000)]) });
  audit.record({ from: 'command line', who: `uid=${process.getuid?.() ?? 0}`, ...record });
}
