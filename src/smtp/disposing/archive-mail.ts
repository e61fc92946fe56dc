/** A mail that is refused, on its way into the quarantine: 550 with its ID is said once all of it is on disk. */
import { headlineOf } from '../../mail/shown/headline.js';
import { type Reply, localProblem, reply, replyText, withLines } from '../../mail/reply.js';
import { asciiText } from '../../mail/text.js';
import type { Rejection } from '../../mail/verdict.js';
import type { Disposition } from '../journal-lines.js';
import { pointsText } from '../log-line.js';
import type { Objection } from '../transaction.js';
import type { ReadMail } from './received-mail.js';
import { topFields } from './top-fields.js';

/** One copy a recipient. */
export async function archive(mail: ReadMail, objection: Objection, code = 550): Promise<Disposition> {
  const { transaction, services, session, header, edits } = mail;
  const clientName = session.knownClientName ?? (await session.clientName());
  const time = Date.now();
  const { reason, log, discards = false } = objection.rejection;
  const { spf } = transaction.authenticated;
  const { score } = transaction;
  const points = pointsText(transaction.points);
  const said = discards
    ? reply(250, '2.0.0', `Ok (${transaction.id})`)
    : refusal(objection.rejection, code, transaction.id);
  // Once for all copies.
  const archivedOnly = transaction.archivedFields.map(([name, value]) => [name, value()] as const);
  const added = [...transaction.fields, ...archivedOnly];
  const archived = await services.quarantine.archive({
    id: transaction.id,
    domain: transaction.domain,
    time: new Date(time),
    copies: transaction.recipients.map((recipient) => ({
      recipient: recipient.text,
      head: topFields(mail, { added, time, clientName, recipient, objection: recipient.objection ?? objection }),
    })),
    message: edits.archived(),
    about: {
      from: transaction.sender.reversePath,
      ...headlineOf(header),
      ip: session.clientIp.text,
      host: 'name' in clientName ? clientName.name : '',
      helo: session.helo,
      reason,
      plugin: objection.plugin,
      reply: replyText(said),
      ...(spf !== undefined && { spf }),
      ...(score !== undefined && { score }),
      ...(points !== undefined && { points }),
    },
  });
  if (archived.kind === 'archived') {
    return {
      verdict: discards ? 'discarded' : 'rejected',
      plugin: objection.plugin,
      reason: log,
      reply: said,
      ...(archived.filenames[0] !== undefined && { filename: archived.filenames[0] }),
    };
  }
  const answer = archived.full ? reply(452, '4.3.1', 'Insufficient system storage') : localProblem;
  return { verdict: 'deferred', plugin: objection.plugin, reason: `not archived: ${archived.problem}`, reply: answer };
}

/** A long reason does not cost the sender the ID, which stands at the end. */
function refusal({ enhanced, reason, further = [] }: Rejection, code: number, id: string): Reply {
  const lines = [reason, ...further].map((line) => asciiText(line, maxReason));
  const [first = '', ...more] = lines.map((line, i) => (i === further.length ? `${line} (${id})` : line));
  const answer = reply(code, enhanced, first);
  return more.length === 0 ? answer : withLines(answer, more);
}

/** It leaves room for the ID behind it. */
const maxReason = 380;
