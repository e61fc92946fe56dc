/** What every `postern quarantine` subcommand is given. */
import { printable } from '../../mail/text.js';
import { idOf, refText } from '../../quarantine/disk/mail-ref.js';
import type { KeptMails } from '../../quarantine/kept-mails.js';
import { parseQuery, type Query } from '../../quarantine/look/query.js';
import type { SettingsTask } from '../command/command.js';
import { exit } from '../exit-codes.js';
import type { NamedMail } from '../named-mails.js';
import type { Holdings } from '../holdings.js';
import { jsonLine, type Terminal } from '../terminal.js';
import { complain } from '../complain.js';

export interface Task extends SettingsTask {
  readonly holdings: Holdings;
  readonly mails: KeptMails;
  readonly terminal: Terminal;
  readonly isTerminal: boolean;
}

/** The words as one search; a problem is said, and ends the command with the code. */
export function queryOf(text: string): Query | number {
  const parsed = parseQuery(text);
  if (parsed.ok) return parsed.value;
  complain([parsed.problem]);
  return exit.usage;
}

/** A word with a space was quoted for the shell: quote it for the search. */
export const searchText = (words: readonly string[]): string =>
  words.map((word) => word.replace(/^(-?(?:[a-z]+(?:-[a-z]+)*:)?)(.* .*)$/is, '$1"$2"')).join(' ');

/** One line of JSON: what the index says, and what a script needs beside it. */
export function jsonOf({ ref, entry, mark }: NamedMail): string {
  const { messageId, headerFrom, filename, ...rest } = entry ?? { filename: ref.filename };
  return jsonLine({
    mail: refText(ref),
    id: idOf(ref.filename),
    domain: ref.domain,
    ...rest,
    filename,
    ...(messageId !== undefined && { 'message-id': messageId }),
    ...(headerFrom !== undefined && { header_from: headerFrom }),
    ...(mark && { [mark.kind]: { time: mark.time, by: mark.by, detail: mark.detail } }),
  });
}

/** What to say where a mail has a line and no octets: on this host, they may be in the catalog alone. */
export const goneText = ({ settings, options }: Pick<Task, 'settings' | 'options'>): string =>
  settings.ship_keep > 0 && options.has('here')
    ? 'the mail itself is not on this host any more: without --here the catalog is asked'
    : 'the mail itself is gone';

/** A line on stderr that is written over, where that is a terminal. */
export function progressLine(): { show(text: string): void; end(): void } {
  const { isTTY, columns } = process.stderr;
  if (!isTTY) return { show: () => undefined, end: () => undefined };
  return {
    show: (text) => void process.stderr.write(`\r${printable(text, (columns ?? 80) - 1)}\x1b[K`),
    end: () => void process.stderr.write('\r\x1b[K'),
  };
}

/** `[#######.......] 50 %` */
export function bar(done: number, all: number): string {
  const share = all === 0 ? 1 : done / all;
  const full = Math.round(share * 30);
  return `[${'#'.repeat(full)}${'.'.repeat(30 - full)}] ${Math.round(share * 100)} %  ${done} of ${all}`;
}
