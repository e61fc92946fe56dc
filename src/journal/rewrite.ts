/**
 * Takes out of lines what must not be kept: what is older than `journal_mask` loses local-parts, subjects and addresses
 * of hosts, and `erase` takes out one address. A line is written over in its place, filled up with spaces, so that
 * nobody who appends or reads is disturbed. Leaves when to do so to care.ts and the command.
 */
import fs from 'node:fs';
import { networkBase, parseIp } from '../mail/ip.js';
import { openToRead, openToWrite } from '../quarantine/disk/regular.js';
import { type JournalHour, sumsPath } from './hours.js';
import { type JournalLine, journalText } from './line.js';
import { itemsIn } from './reader.js';
import { addressesIn, domainIn } from './tokens.js';

/** The line without what names people: domains, verdict and network stay. */
export function maskedLine(line: JournalLine): JournalLine {
  const { tries, ...known } = line;
  const kept: { -readonly [K in keyof JournalLine]?: JournalLine[K] | undefined } = known;
  for (const key of ['header_from', 'subject', 'message-id', 'host', 'helo', 'sni', 'reason'] as const)
    delete kept[key];
  return {
    ...(kept as JournalLine),
    ...(line.from !== undefined && { from: withoutLocalPart(line.from) }),
    ...(line.to && {
      to: line.to.map((to) => ({ ...to, address: withoutLocalPart(to.address), reply: code(to.reply) })),
    }),
    ...(line.ip !== undefined && { ip: networkOf(line.ip) }),
    ...(line.reply !== undefined && { reply: code(line.reply) }),
    ...(line.said && { said: line.said.map(([plugin, word]) => [plugin, word] as const) }),
    // The key is made of the addresses.
    ...(tries && { tries: { ...tries, key: '' } }),
  };
}

const withoutLocalPart = (address: string): string => (address.includes('@') ? `@${domainIn(address)}` : address);

/** `550 5.1.1`: the text may name somebody. */
const code = (reply: string): string => /^\d{3}(?: \d\.\d{1,3}\.\d{1,3})?/.exec(reply)?.[0] ?? '';

function networkOf(text: string): string {
  const ip = parseIp(text);
  if (!ip) return text;
  const prefix = ip.family === 4 ? 24 : 48;
  return `${networkBase(ip, prefix).text}/${prefix}`;
}

/** undefined where the line does not name it. */
export function erasedLine(line: JournalLine, address: string): JournalLine | undefined {
  const whole = address.toLowerCase();
  const names = (text: string | undefined): boolean => addressesIn(text).includes(whole);
  const isSender = names(line.from) || names(line.header_from);
  if (
    !isSender &&
    !(line.to ?? []).some((to) => names(to.address)) &&
    !JSON.stringify(line).toLowerCase().includes(whole)
  )
    return undefined;
  const { subject: _subject, 'message-id': _messageId, header_from, tries, ...kept } = line;
  const wiped = JSON.parse(JSON.stringify(kept), (_, value: unknown) =>
    typeof value === 'string' ? without(value, whole) : value,
  ) as JournalLine;
  return {
    ...wiped,
    ...(header_from !== undefined && !isSender && { header_from: without(header_from, whole) }),
    ...(tries && { tries: { ...tries, key: '' } }),
  };
}

/** The address loses its local-part, wherever it stands. */
function without(text: string, whole: string): string {
  let kept = text;
  const domain = `@${domainIn(whole)}`;
  for (let at = kept.toLowerCase().indexOf(whole); at >= 0; at = kept.toLowerCase().indexOf(whole))
    kept = kept.slice(0, at) + domain + kept.slice(at + whole.length);
  return kept;
}

/** So many octets are read at once. */
const stretch = 1_048_576;

/** Writes over each line for which there is another; the number of them. Broken IO throws. */
export function rewriteHour(hour: JournalHour, change: (line: JournalLine) => JournalLine | undefined): number {
  const reading = openToRead(hour.file);
  if (reading === undefined) return 0;
  const writing = openToWrite(hour.file, fs.constants.O_RDWR);
  fs.rmSync(sumsPath(hour), { force: true }); // it names senders and clients, too
  let count = 0;
  try {
    const { size } = fs.fstatSync(reading);
    for (let from = 0; from < size;) {
      const octets = Buffer.allocUnsafe(Math.min(stretch, size - from));
      const read = octets.subarray(0, fs.readSync(reading, octets, 0, octets.length, from));
      const end = from + read.length >= size ? read.length : read.lastIndexOf(0x0a) + 1;
      if (end === 0) break;
      for (const { line, start, length } of itemsIn({ octets: read.subarray(0, end), start: from })) {
        const changed = change(line);
        if (changed && overwrite(writing, { start, length }, changed)) count++;
      }
      from += end;
    }
  } finally {
    fs.closeSync(reading);
    fs.closeSync(writing);
  }
  return count;
}

function overwrite(fd: number, { start, length }: { start: number; length: number }, line: JournalLine): boolean {
  const text = Buffer.from(journalText(line).trimEnd());
  if (text.length > length) return false;
  const octets = Buffer.alloc(length, ' ');
  text.copy(octets);
  fs.writeSync(fd, octets, 0, length, start);
  return true;
}
