/** Tables of settings as text: postern.conf(5), spf-milter.conf(5), an environment, the file of a directory. */
import { printable } from '../mail/text.js';

export interface PrintedRow {
  readonly name: string;
  /** As it would be given; a password is hidden. */
  readonly text: string;
  /** Where it comes from: `default`, `/etc/postern.conf:12`, `--listen`. */
  readonly place: string;
}

export interface PrintForm {
  readonly equals: ' = ' | '=';
  /** Where the place stands: as a comment behind the value, or on a line above a value that is not the default. */
  readonly place: 'behind' | 'above' | 'nowhere';
}

/** Lines that read back to the same, but for passwords. */
export const printTable = (rows: readonly PrintedRow[], form: PrintForm): string =>
  rows.map((row) => printRow(row, form)).join('');

/** A tab may stand in a path, and does nothing to a terminal. */
const harmless = (text: string): string =>
  text
    .split('\t')
    .map((part) => printable(part, Infinity))
    .join('\t');

function printRow({ name, text, place }: PrintedRow, form: PrintForm): string {
  const line = `${name}${form.equals}${harmless(text)}`.trimEnd();
  if (form.place === 'behind') return `${line}  # ${printable(place)}\n`;
  return `${form.place === 'nowhere' || place === 'default' ? '' : `# ${printable(place)}\n`}${line}\n`;
}
