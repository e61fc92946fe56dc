/**
 * What the MTA's replies to an envelope mean for the mail (RFC 5321 §4.3.2): all recipients or none. Pure;
 * transaction.ts acts on it.
 */
import { isTemporary, type Reply } from '../mail/reply.js';
import { refusal, type MtaReply } from './connection/mta-reply.js';

export type Refusal =
  /** `elsewhere`: it was 421, which says that the MTA ends its service, so that another may be tried. */
  | { readonly kind: 'refused'; readonly reply: Reply; readonly elsewhere?: boolean }
  /** At least one recipient was taken, and these were not. */
  | { readonly kind: 'partly'; readonly refused: ReadonlyMap<string, Reply> };

/**
 * `replies` are those to MAIL and to each RCPT, in order; they end early behind a 421, which then is the answer to all.
 * Undefined when sender and all recipients were taken.
 */
export function judgeEnvelope(replies: readonly MtaReply[], recipients: readonly string[]): Refusal | undefined {
  if (replies.length > recipients.length && replies.every(({ code }) => code < 300)) return undefined;
  const [mail, ...rcpt] = replies;
  const farewell = replies.find(({ code }) => code === 421);
  const ruling = refusal(farewell ?? mail);
  if (!ruling) return judgeRecipients(rcpt, recipients);
  return { kind: 'refused', reply: ruling, ...(farewell && { elsewhere: true }) };
}

function judgeRecipients(replies: readonly MtaReply[], recipients: readonly string[]): Refusal | undefined {
  const refused = new Map<string, Reply>();
  recipients.forEach((recipient, i) => {
    const ruling = refusal(replies[i], '5.1.1');
    if (ruling) refused.set(recipient, ruling);
  });
  const rulings = [...refused.values()];
  const [first] = rulings;
  if (!first) return undefined;
  if (refused.size < new Set(recipients).size) return { kind: 'partly', refused };
  // A deferral first: with 5xx the client would give up those recipients that may be taken later.
  return { kind: 'refused', reply: rulings.find(isTemporary) ?? first };
}
