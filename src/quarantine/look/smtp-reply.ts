/** The reply that the client got for a mail that is kept here: `550 5.7.1 REASON (ID)`. */
import { asciiText } from '../../mail/text.js';

/** A recipient that does not exist has a code of its own (RFC 3463: 5.1.1). */
export const smtpReply = ({ plugin, reason, id }: { plugin: string; reason: string; id: string }): string =>
  `550 ${plugin === 'valid_users' ? '5.1.1' : '5.7.1'} ${asciiText(reason)}${id === '' ? '' : ` (${id})`}`;
