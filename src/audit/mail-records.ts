/** What the audit says of a mail that was released or deleted, by whichever way. */
import type { ReleaseResult } from '../quarantine/care/release.js';
import { type MailRef, refText } from '../quarantine/disk/mail-ref.js';
import type { AuditRecord } from './audit.js';

type MailRecord = Pick<AuditRecord, 'what' | 'target' | 'detail' | 'result'>;

export function releaseRecord(ref: MailRef, result: ReleaseResult): MailRecord {
  const record = { what: 'released', target: refText(ref) } as const;
  switch (result.kind) {
    case 'released':
      return { ...record, detail: result.reply, result: 'done' };
    case 'already':
      return { ...record, result: 'released before' };
    case 'busy':
      return { ...record, result: 'somebody else is releasing it' };
    case 'unknown':
      return { ...record, result: `unknown: ${result.by} tried it at ${result.time}` };
    case 'gone':
      return { ...record, result: 'gone' };
    case 'routed':
      return { ...record, result: `there is no marker ${result.marker}` };
    case 'refused':
      return { ...record, result: `refused: ${result.reply}` };
    case 'unreachable':
      return { ...record, result: `unreachable: ${result.problem}` };
  }
}

export const deleteRecord = (ref: MailRef, result: 'deleted' | 'gone'): MailRecord => ({
  what: 'deleted',
  target: refText(ref),
  result: result === 'deleted' ? 'done' : result,
});
