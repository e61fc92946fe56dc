/** What is put on top of one copy of a mail: the fields that plugins want above ours, and ours. */
import { Buffer } from 'node:buffer';
import type { ClientName } from '../../hooks/plugin.js';
import type { Objection, TransactionRecipient } from '../transaction.js';
import type { ReadMail } from './received-mail.js';
import { traceFields } from './trace-fields.js';

interface Top {
  /** Fields of plugins, in order. */
  readonly added: readonly (readonly [name: string, value: string])[];
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly clientName: ClientName;
  readonly recipient: TransactionRecipient | undefined;
  readonly objection?: Objection;
}

export function topFields({ transaction, services, protocol, clientFields, edits }: ReadMail, top: Top): Buffer {
  const { recipient, objection } = top;
  const own = traceFields(clientFields(top.clientName), {
    id: transaction.id,
    time: top.time,
    protocol,
    reversePath: transaction.sender.reversePath,
    domain: transaction.domain,
    added: top.added,
    authservId: services.settings.authserv_id,
    authentication: transaction.authentication,
    recipient,
    dsn: objection && dsnText(transaction, recipient),
    rejection: objection && { plugin: objection.plugin, reason: objection.rejection.reason },
  });
  const { above } = edits;
  return above.length === 0 ? own : Buffer.concat([above, own]);
}

/** The words of MAIL and RCPT, a line for both. */
function dsnText({ dsn }: ReadMail['transaction'], recipient: TransactionRecipient | undefined): string | undefined {
  if (!dsn) return undefined;
  const ofRecipient = recipient && dsn.recipients.get(recipient.text);
  return [dsn.mail, ofRecipient ?? ''].flatMap((words) => words.trim() || []).join('\n\t');
}
