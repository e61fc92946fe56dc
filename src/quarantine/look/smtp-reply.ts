/** The reply that the client got for a mail that is kept here. */
import { asciiText } from '../../mail/text.js';

export interface RefusedMail {
  /** It is what the index has; undefined in a line that is older than this key, or was rebuilt from the mail. */
  readonly reply: string | undefined;
  readonly reason: string;
  readonly id: string;
}

/**
 * Returns what was said. Where the index does not know, the enhanced code is left out, for it was the plugin's choice.
 */
export const smtpReply = ({ reply, reason, id }: RefusedMail): string =>
  reply ?? `550 ${asciiText(reason)}${id === '' ? '' : ` (${id})`}`;
