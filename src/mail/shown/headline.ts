/** What a mail says of itself in a list: its subject, who it says it is from, its Message-ID; decoded for people. */
import { charsetParameter, decodeField } from '../encoded-word.js';
import type { Header } from '../header.js';
import { visibleFrom } from './visible-from.js';

export interface Headline {
  /** As it was written: whoever shows it makes it safe. */
  readonly subject: string;
  /** One harmless line; '' where there is no From: field. */
  readonly headerFrom: string;
  readonly messageId: string;
}

export function headlineOf(header: Header): Headline {
  const subject = header.get('subject') ?? '';
  const from = header.get('from') ?? '';
  // It is for octets that say nothing of themselves.
  const charset = isAscii(subject) && isAscii(from) ? undefined : charsetParameter(header.get('content-type') ?? '');
  return {
    subject: decodeField(subject, charset),
    headerFrom: visibleFrom(from, charset),
    messageId: decodeField(header.get('message-id') ?? ''),
  };
}

const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);
