/**
 * valid_users — a recipient is deliverable if /srv/DOMAIN/users/valid says so.
 *
 *     users/valid/LOCAL     (file)       accepted
 *     users/valid/LOCAL/    (directory)  accepted from the client addresses that have an entry in it
 *     users/valid/*                      every recipient accepted
 *     users/invalid/LOCAL                refused, whatever else there is
 *
 * A refused recipient is accepted at RCPT; the mail is read, archived and answered 550 5.1.1.
 */
import type { Plugin } from '../src/hooks/plugin.js';
import { pass, rejectRecipient } from '../src/mail/verdict.js';

const plugin: Plugin = {
  name: 'valid_users',
  rcpt({ markers, domain, recipient, session }) {
    const found = markers.recipient(domain, recipient.localPart, session.clientIp);
    return found.kind === 'valid' ? pass : rejectRecipient('No such user', found.why);
  },
};
export default plugin;
