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
  const charset = charsetParameter(header.get('Content-Type') ?? '');
  return {
    subject: decodeField(header.get('Subject') ?? '', charset),
    headerFrom: visibleFrom(header.get('From') ?? '', charset),
    messageId: decodeField(header.get('Message-ID') ?? ''),
  };
}
