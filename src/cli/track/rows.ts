/** Lines of the journal as rows of a terminal, 100 columns wide, in the colour of their verdict. */
import { type JournalLine } from '../../journal/line.js';
import {
  detailTexts,
  timeWords,
  type StoryStyle,
  type TimeZone,
  verdictStyles,
  whoText,
} from '../../journal/shown/story-text.js';
import { shown } from '../../mail/text.js';
import type { Line } from '../../text/line.js';
import { fit } from '../quarantine/list.js';

const columns = 100;
const indent = 17;
const verdictWidth = 12;
const idWidth = 14;

/** Sender and recipients share the columns that time, verdict and ID leave over; this is the sender's part. */
const whoShare = 0.73;

/** Writes two rows: sender, recipients and subject; below them the reason, or where the mail went. */
export function listRows(line: JournalLine, style: StoryStyle): readonly Line[] {
  const rest = columns - indent - verdictWidth - idWidth - 2;
  const who = Math.floor(rest * whoShare);
  return [
    [
      [timeWords(line.time, style).padEnd(indent), 'dim'],
      [line.verdict.padEnd(verdictWidth), verdictStyles[line.verdict]],
      [`${fit(whoText(line), who)} ${fit(line.subject ?? '', rest - who)} `],
      [shown(line.id ?? '', idWidth), 'dim'],
    ],
    ...packed(detailTexts(line, { host: style.hosts === true })).map((text): Line => [
      [' '.repeat(indent)],
      [text, 'dim'],
    ]),
  ];
}

/** Puts as many texts in a row as there is room for; cuts one that is longer than a row. */
function packed(texts: readonly string[]): readonly string[] {
  const rows: string[] = [];
  for (const text of texts.map((one) => shown(one, columns - indent))) {
    const last = rows.at(-1);
    if (last !== undefined && last.length + text.length + 2 <= columns - indent)
      rows[rows.length - 1] = `${last}; ${text}`;
    else rows.push(text);
  }
  return rows;
}

/** Writes one row. */
export function tailRow(line: JournalLine, zone: TimeZone): Line {
  const { verdict, queue, ms, id, plugin, reason, reply = '', count } = line;
  const why =
    verdict === 'relayed' ? (queue ?? reply) : `${plugin === undefined ? '' : `${plugin}: `}${reason ?? reply}`;
  const end = count !== undefined ? `${count} times` : verdict === 'relayed' ? `${ms ?? 0} ms` : (id ?? '');
  return [
    [`${timeWords(line.time, zone).slice(-8)} `, 'dim'],
    [verdict.padEnd(verdictWidth), verdictStyles[verdict]],
    [`${shown(whoText(line), 200)}  `],
    [`${shown(why, 300)}  `, verdict === 'relayed' ? 'cyan' : verdictStyles[verdict]],
    [shown(end, 40), 'dim'],
  ];
}
