/**
 * whitelist — lifts any rejection of a mail the operator wants, below /srv/DOMAIN/whitelisted/ or
 * /srv/_global_/whitelisted/.
 *
 *     ips/192.0.2.1, ips/192.0.2.0_24    the client's address
 *     senders/ADDRESS                    the reverse-path
 *     domains/NAME                       the reverse-path's domain
 *     recipients/LOCAL                   any recipient
 *
 * A whitelisted sender, domain or address creates no mailboxes: a refused recipient is lifted by recipients/LOCAL only.
 * It has to stand last in the list. It is asked at RCPT, so that no check works in vain, and again at the end of the
 * mail where there is something to lift.
 */

import type { DataContext, MailContext, Plugin, RcptContext, Recipient } from '../src/hooks/plugin.js';
import { type Verdict, pardon, pass, skip } from '../src/mail/verdict.js';

const nothingToLift = skip('nothing to lift');
const notListed = skip('not whitelisted');

type Context = MailContext & Pick<RcptContext, 'domain' | 'rejection' | 'pardoned'>;

const plugin: Plugin = {
  name: 'whitelist',
  rcpt: (context) => judge(context, [context.recipient]),
  dataPost: atEnd,
  queue: atEnd,
};
export default plugin;

/** Where it lifts nothing it has nothing to say of the mail: a pass would read as if that were whitelisted. */
function atEnd(context: DataContext): Verdict {
  if (context.rejection === undefined) return nothingToLift;
  const verdict = judge(context, context.recipients);
  return verdict === pass ? notListed : verdict;
}

function judge(context: Context, recipients: readonly Recipient[]): Verdict {
  const { markers, domain, reversePath, senderDomain, session } = context;
  const wanted = byRecipient(context, recipients);
  if (wanted !== undefined) return pardon(`whitelisted: ${wanted}`, 'all');
  if (context.pardoned !== undefined) return skip(context.pardoned);
  const marker =
    markers.listed(domain, 'whitelisted', 'senders', reversePath) ??
    markers.listed(domain, 'whitelisted', 'domains', senderDomain) ??
    markers.addressListed(domain, 'whitelisted', session.clientIp);
  return marker === undefined ? pass : pardon(`whitelisted: ${marker}`);
}

/** Finds the entry of a recipient. Where recipients were refused, each of them must have one. */
function byRecipient({ markers, domain, rejection }: Context, recipients: readonly Recipient[]): string | undefined {
  let found: string | undefined;
  let hasEach = true;
  for (const { localPart } of recipients) {
    const marker = markers.recipientWhitelisted(domain, localPart);
    if (marker === undefined) hasEach = false;
    else found ??= marker;
  }
  return rejection?.about === 'recipient' && !hasEach ? undefined : found;
}
