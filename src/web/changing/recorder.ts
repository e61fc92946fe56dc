/** Writes what a request has changed into the audit, with who it was and where from. */
import type { Context } from 'hono';
import type { Audit, AuditRecord } from '../../audit/audit.js';
import type { Vars } from '../guard.js';

export type PageRecord = Omit<AuditRecord, 'from' | 'who'>;

export function recordOf(
  c: Context<Vars>,
  { audit }: { readonly audit: Pick<Audit, 'record'> },
  what: PageRecord,
): void {
  audit.record({ from: c.get('client'), who: c.get('session').token.name, ...what });
}
