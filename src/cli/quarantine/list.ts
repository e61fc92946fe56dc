/** `postern quarantine list`: a table for people, tabs for pipes, JSON for programs; printed as it is found. */
import { shown } from '../../mail/text.js';
import type { ListItem } from '../../quarantine/look/browse.js';
import { senderText } from '../../quarantine/look/sender.js';
import { idOf } from '../../quarantine/disk/mail-ref.js';
import { exit } from '../exit-codes.js';
import { render } from '../terminal.js';
import { dayWords } from '../../text/day.js';
import type { Line, Span } from '../../text/line.js';
import { jsonOf, queryOf, searchText, type Task } from './task.js';
import { complain } from '../complain.js';

const usualLimit = 50;

export async function list({ mails, options, words, terminal, isTerminal }: Task): Promise<number> {
  const query = queryOf(searchText(words));
  if (typeof query === 'number') return query;
  const limit = options.has('all') ? Infinity : Number(options.get('limit') ?? usualLimit);
  if (!(limit >= 1)) {
    complain(['quarantine list: --limit needs a number, such as --limit=50']);
    return exit.usage;
  }
  const row = options.has('json') ? jsonOf : isTerminal ? tableRow(terminal.width) : tabbed;
  const write = (row_: string | Line): boolean =>
    process.stdout.write(typeof row_ === 'string' ? row_ : render([row_], terminal));
  if (row !== jsonOf && isTerminal) write(headline(terminal.width));
  let count = 0;
  let more = false;
  for await (const item of mails.all({ query })) {
    more = count === limit;
    if (more) break;
    count++;
    if (!write(row(item))) await new Promise((resolve) => process.stdout.once('drain', resolve));
  }
  if (more && isTerminal) process.stderr.write(`… and more: --limit=${limit * 10}, --all, or a narrower search\n`);
  if (count === 0) process.stderr.write('nothing found\n');
  return count === 0 ? exit.notAll : exit.ok;
}

const tabbed = ({ ref, entry, mark }: ListItem): string =>
  `${[
    entry.time,
    idOf(ref.filename),
    entry.plugin,
    senderText(entry),
    entry.recipient,
    entry.ip,
    mark?.kind ?? '',
    entry.subject,
  ]
    .map((text) => shown(text.replaceAll('\t', ' '), 1000))
    .join('\t')}\n`;

/** Shares of the width that the times and ids leave over. */
const shares = { plugin: 0.13, from: 0.27, to: 0.25, subject: 0.35 };

function headline(width: number): Line {
  const { plugin, from, to, subject } = widths(width);
  const [when, id] = [fit('WHEN', 12), fit('ID', 14)];
  const rest = [fit('PLUGIN', plugin), fit('FROM', from), fit('TO', to), fit('SUBJECT', subject)];
  return [[[when, id, ...rest].join(' ').trimEnd(), 'dim']];
}

function widths(width: number): typeof shares {
  const rest = Math.max(40, width - 12 - 14 - 5);
  return {
    plugin: Math.floor(rest * shares.plugin),
    from: Math.floor(rest * shares.from),
    to: Math.floor(rest * shares.to),
    subject: Math.floor(rest * shares.subject),
  };
}

const tableRow =
  (width: number) =>
  ({ ref, entry, mark }: ListItem): Line => {
    const { plugin, from, to, subject } = widths(width);
    const state: Span = mark?.kind === 'released' ? ['released ', 'green'] : ['', 'dim'];
    return [
      [`${shortTime(entry.time)} `, 'dim'],
      [`${fit(idOf(ref.filename), 14)} `],
      [`${fit(entry.plugin, plugin)} `, 'yellow'],
      [`${fit(senderText(entry), from)} ${fit(entry.recipient, to)} `],
      state,
      [fit(entry.subject, Math.max(5, subject - state[0].length)).trimEnd()],
    ];
  };

/** `25 Nov 22:03`, in the time that the index has. */
function shortTime(time: string): string {
  const [, day = '', clock = ''] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)/.exec(time) ?? [];
  return fit(`${dayWords(day).padStart(6)} ${clock}`, 12);
}

const segments = new Intl.Segmenter();

/** Exactly so many columns; what does not fit ends in `…`. Wide characters count as two. */
export function fit(text: string, width: number): string {
  const clean = shown(text, 400);
  if (/^[ -~]*$/.test(clean))
    return clean.length <= width ? clean.padEnd(width) : `${clean.slice(0, Math.max(0, width - 1))}…`;
  let out = '';
  let used = 0;
  for (const { segment } of segments.segment(clean)) {
    const columns = columnsOf(segment);
    if (used + columns > width - 1) return `${out}${used < width ? '…' : ''}`.padEnd(out.length + width - used);
    out += segment;
    used += columns;
  }
  return out + ' '.repeat(width - used);
}

const columnsOf = (segment: string): number =>
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u.test(
    segment,
  )
    ? 2
    : 1;
