/**
 * Who sent a mail, for people: the name and address that its reader would see, and the envelope's where that is
 * another.
 */
import type { IndexEntry } from '../disk/index-entry.js';

export interface ShownSender {
  readonly visible: string;
  /** The reverse-path, where it is not the visible address; `<>` is the null one. */
  readonly envelope?: string;
}

/** What is shown is a client's text. */
export function senderOf({ from, headerFrom = '' }: Pick<IndexEntry, 'from' | 'headerFrom'>): ShownSender {
  const envelope = from === '' ? '<>' : from;
  if (headerFrom === '') return { visible: envelope };
  const address = /<([^<>]*)>$/.exec(headerFrom)?.[1] ?? headerFrom;
  return address.toLowerCase() === from.toLowerCase() ? { visible: headerFrom } : { visible: headerFrom, envelope };
}

/** Returns both in one line. */
export function senderText(entry: Pick<IndexEntry, 'from' | 'headerFrom'>): string {
  const { visible, envelope } = senderOf(entry);
  return envelope === undefined ? visible : `${visible} (envelope ${envelope})`;
}
