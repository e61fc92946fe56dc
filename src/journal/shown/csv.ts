/** Lines of the journal as a table for spreadsheets (RFC 4180), in which no text of a client is a formula. */
import type { JournalLine } from '../line.js';

const columns: readonly (readonly [name: string, of: (line: JournalLine) => string | number | undefined])[] = [
  ['time', ({ time }) => time],
  ['verdict', ({ verdict }) => verdict],
  ['from', ({ from }) => from],
  ['header_from', (line) => line.header_from],
  ['to', ({ to }) => to?.map(({ address }) => address).join(' ')],
  ['subject', ({ subject }) => subject],
  ['plugin', ({ plugin }) => plugin],
  ['reason', ({ reason }) => reason],
  ['reply', ({ reply }) => reply],
  ['queue', ({ queue }) => queue],
  ['destination', ({ destination }) => destination],
  ['ip', ({ ip }) => ip],
  ['host', ({ host }) => host],
  ['helo', ({ helo }) => helo],
  ['tls', ({ tls }) => tls],
  ['spf', ({ spf }) => spf],
  ['dkim', ({ dkim }) => dkim],
  ['dmarc', ({ dmarc }) => dmarc],
  ['score', ({ score }) => score],
  ['size', ({ size }) => size],
  ['ms', ({ ms }) => ms],
  ['tries', ({ tries }) => tries?.n],
  ['count', ({ count }) => count],
  ['domain', ({ domain }) => domain],
  ['message-id', (line) => line['message-id']],
  ['id', ({ id }) => id],
  ['node', ({ node }) => node],
];

export const csvHead = `${columns.map(([name]) => name).join(',')}\r\n`;

export const csvRow = (line: JournalLine): string => `${columns.map(([, of]) => cell(of(line))).join(',')}\r\n`;

function cell(value: string | number | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  // A spreadsheet would reckon with what begins so.
  const text = value.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '?');
  const harmless = /^\s*[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
