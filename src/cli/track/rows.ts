/** Lines of the journal as rows, in the colour of their verdict: as wide as the terminal, or whole for a pipe. */
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

/** Rows for a pipe are as wide where nothing in them is longer. */
const usualColumns = 100;
/** Sender, recipients and subject have so many at least. */
const minRest = 30;
const indent = 17;
const verdictWidth = 12;
const idWidth = 14;

/** Sender and recipients share the columns that time, verdict and ID leave over; this is the sender's part. */
const whoShare = 0.73;

export interface RowStyle extends StoryStyle {
  /** Columns of the terminal, where what is too long is cut; undefined for a pipe, where nothing is. */
  readonly width: number | undefined;
}

/** Writes two rows: sender, recipients and subject; below them the reason, or where the mail went. */
export function listRows(line: JournalLine, style: RowStyle): readonly Line[] {
  const { width } = style;
  const columns = width ?? usualColumns;
  const rest = Math.max(minRest, columns - indent - verdictWidth - idWidth - 2);
  const who = Math.floor(rest * whoShare);
  const cell = width === undefined ? whole : fit;
  return [
    [
      [timeWords(line.time, style).padEnd(indent), 'dim'],
      [line.verdict.padEnd(verdictWidth), verdictStyles[line.verdict]],
      [`${cell(whoText(line), who)} ${cell(line.subject ?? '', rest - who)} `],
      [shown(line.id ?? '', idWidth), 'dim'],
    ],
    ...packed(
      detailTexts(line, { host: style.hosts === true }).map((text) =>
        shown(text, width === undefined ? maxWhole : columns - indent),
      ),
      columns - indent,
    ).map((text): Line => [[' '.repeat(indent)], [text, 'dim']]),
  ];
}

const maxWhole = 2000;
const whole = (text: string, width: number): string => shown(text, maxWhole).padEnd(width);

/** Puts as many texts in a row as there is room for. */
function packed(texts: readonly string[], width: number): readonly string[] {
  const rows: string[] = [];
  for (const text of texts) {
    const last = rows.at(-1);
    if (last !== undefined && last.length + text.length + 2 <= width) rows[rows.length - 1] = `${last}; ${text}`;
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
