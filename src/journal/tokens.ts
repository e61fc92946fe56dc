/**
 * What an hour's filter is asked for: whole mail addresses, their domains, hosted domains, client addresses, ids of
 * mails, queues and tries, Message-IDs; all in lower case.
 */
import type { JournalLine } from './line.js';

export function tokensOf(line: JournalLine): readonly string[] {
  const addresses = [...addressesIn(line.from), ...addressesIn(line.header_from)];
  for (const { address } of line.to ?? []) addresses.push(...addressesIn(address));
  const queues = line.to?.map(({ queue }) => queue) ?? [];
  const words = [line.domain, line.ip, line.id, line.queue, line.tries?.key, bareId(line['message-id']), ...queues];
  return [
    ...addresses,
    ...addresses.map(domainIn),
    ...words.flatMap((word) => (word === undefined || word === '' ? [] : [word.toLowerCase()])),
  ];
}

/** The addresses that stand in a text, in lower case. */
export const addressesIn = (text = ''): readonly string[] =>
  text.includes('@') ? (text.toLowerCase().match(/[^\s<>,;()"]*@[^\s<>,;()"]+/g) ?? []) : [];

export const domainIn = (address: string): string => address.slice(address.lastIndexOf('@') + 1);

/** Without its brackets. */
export const bareId = (messageId = ''): string => messageId.trim().replace(/^<(.*)>$/s, '$1');
