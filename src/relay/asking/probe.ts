/**
 * Asking the MTA whether it takes a recipient, without a mail: MAIL, RCPT, and no more. A connection on which it
 * refused one is not used again, for MTAs slow down, or end, sessions with many refusals (Postfix:
 * smtpd_soft_error_limit).
 */
import { errorText } from '../../mail/error-text.js';
import { asciiText } from '../../mail/text.js';
import { rcptCommand } from '../envelope.js';
import type { MtaConnection } from '../connection/mta-connection.js';
import { openConnection, type OpeningOptions } from '../connection/opening.js';
import { mtaReplyText, type MtaReply } from '../connection/mta-reply.js';

export type Probe =
  | { readonly kind: 'taken' }
  /** There is no such mailbox; `text` is the MTA's reply. */
  | { readonly kind: 'refused'; readonly text: string }
  /** As if it had not been asked. */
  | { readonly kind: 'unknown'; readonly problem: string };

/** Rejects with ConnectionLost. Leaves `inTransaction` set where the MTA has an open transaction. */
export async function askRecipient(connection: MtaConnection, recipient: string): Promise<Probe> {
  connection.inTransaction = true;
  connection.uses++;
  const mail = await connection.ask('MAIL FROM:<>'); // RFC 5321 §4.5.5: whoever takes mail takes this
  if (mail.code !== 250) return unknown(mail);
  const rcpt = await connection.ask(rcptCommand(recipient));
  if (rcpt.code >= 250 && rcpt.code < 260) return { kind: 'taken' };
  if (saysNoSuchMailbox(rcpt)) {
    // The pool says QUIT, and nobody waits for the reply: Exim takes 0.2 s for it.
    connection.inTransaction = false;
    connection.uses = Infinity;
    return { kind: 'refused', text: mtaReplyText(rcpt) };
  }
  return unknown(rcpt);
}

/**
 * Not a full mailbox, not a policy: only that there is no such one (RFC 5321 §4.2.3, RFC 3463: X.1.x is about
 * addresses).
 */
const saysNoSuchMailbox = ({ code, enhanced }: MtaReply): boolean =>
  [550, 551, 553].includes(code) && (enhanced === '' || enhanced.startsWith('5.1.'));

const unknown = (answer: MtaReply): Probe => ({ kind: 'unknown', problem: mtaReplyText(answer) });

/** Never rejects: what is wrong, or undefined where the MTA has greeted us and heard our EHLO. */
export async function mtaProblem(options: OpeningOptions): Promise<string | undefined> {
  let connection: MtaConnection | undefined;
  const { timeoutMs } = options;
  const late = setTimeout(() => connection?.close(`no answer within ${timeoutMs} ms`), timeoutMs).unref();
  try {
    await openConnection(options, (made) => (connection = made));
    await connection?.quit();
    return undefined;
  } catch (error) {
    return asciiText(errorText(error));
  } finally {
    clearTimeout(late);
  }
}
