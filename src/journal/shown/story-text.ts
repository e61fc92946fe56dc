/** What the journal says, in words, for terminals and pages. Every text of a client comes out in one harmless line. */
import { shown } from '../../mail/text.js';
import { dayWords } from '../../text/day.js';
import type { Line, Style } from '../../text/line.js';
import type { JournalLine, JournalVerdict, PluginWord } from '../line.js';
import type { MailStory } from './story.js';
import { sizeText } from '../../text/size.js';

export const verdictStyles: Readonly<Record<JournalVerdict, Style>> = {
  relayed: 'green',
  taken: 'green',
  rejected: 'red',
  discarded: 'magenta',
  deferred: 'yellow',
  refused: 'red',
  'turned away': 'magenta',
};

export interface TimeZone {
  readonly utc: boolean;
}

export interface StoryStyle extends TimeZone {
  /** Several hosts have written: each try says through which it came. */
  readonly hosts?: boolean;
}

/** `28 Nov 21:41:40` */
export function timeWords(time: string, zone: TimeZone): string {
  const { day, clock } = partsOf(time, zone);
  return `${day} ${clock}`;
}

interface TimeParts {
  /** `28 Nov` */
  readonly day: string;
  /** `21:41:40` */
  readonly clock: string;
  /** Tenths of a second. */
  readonly tenths: string;
}

function partsOf(time: string, { utc }: TimeZone): TimeParts {
  const date = new Date(time);
  const local = utc ? date : new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  const text = local.toISOString();
  return {
    day: dayWords(text).padStart(6),
    clock: text.slice(11, 19),
    tenths: text.slice(20, 21),
  };
}

/** `5 min 13 s` */
export function durationWords(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts: readonly (readonly [count: number, unit: string])[] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}

const ordinal = (n: number): string => {
  const end = n % 100 > 10 && n % 100 < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${n}${end}`;
};

/** `anna@sender.example → alice@example.com`, or the client where there was no mail. */
export function whoText({ from, to = [], ip = '', verdict }: JournalLine): string {
  if (from === undefined) return ip === '' ? 'many clients' : ip;
  const sender = from === '' ? '<>' : from;
  const [first] = to;
  if (first === undefined) return verdict === 'turned away' ? `${sender} from ${ip}` : sender;
  return `${sender} → ${first.address}${to.length > 1 ? ` +${to.length - 1}` : ''}`;
}

/** Why, or where it went: `2nd try, 5 min 13 s after the first`, `queued as 4WxY at 127.0.0.1:10025`. */
export const detailTexts = (line: JournalLine, { hint = true, host = false } = {}): readonly string[] =>
  [
    host && line.node !== undefined ? `by ${line.node}` : '',
    triesText(line),
    countText(line),
    outcomeText(line),
    hint && line.filename !== undefined ? showHint(line) : '',
  ].filter((text) => text !== '');

function triesText({ time, tries }: JournalLine): string {
  if (!tries || tries.n < 2) return '';
  const after =
    tries.first === undefined ? '' : `, ${durationWords(Date.parse(time) - Date.parse(tries.first))} after the first`;
  return `${ordinal(tries.n)} try${after}`;
}

const countText = ({ count }: JournalLine): string => (count === undefined ? '' : `${count} times`);

function outcomeText(line: JournalLine): string {
  const { verdict, plugin, reason, reply = '', queue, destination } = line;
  if (verdict === 'relayed') {
    const where = destination === undefined ? '' : ` at ${destination}`;
    return queue === undefined ? `taken${where}: ${reply}` : `queued as ${queue}${where}`;
  }
  return `${plugin === undefined ? '' : `${plugin}: `}${reason ?? reply}`;
}

const showHint = ({ id }: JournalLine): string => (id === undefined ? '' : `postern quarantine show ${id}`);

const indent = 12;
const row = (label: string, text: string, style?: Style): Line => [
  [' '.repeat(indent)],
  [label.padEnd(8), 'dim'],
  style === undefined ? [shown(text, 2000)] : [shown(text, 2000), style],
];

/** The tries of a mail, each with what was said of it, and what to do next. */
export function storyLines(story: MailStory, style: StoryStyle): readonly Line[] {
  const last = story.at(-1);
  if (!last) return [];
  let day = '';
  const tries = story.flatMap((line, i): readonly Line[] => {
    const parts = partsOf(line.time, style);
    const isNew = parts.day !== day;
    day = parts.day;
    return [
      ...(isNew ? [[[`${parts.day.trim()} ${line.time.slice(0, 4)}`, 'dim']] as Line] : []),
      ...tryLines(line, i + 1, style),
    ];
  });
  return [headLine(last), ...tries, ...nextLines(last)];
}

function headLine(line: JournalLine): Line {
  const { subject, size, header_from } = line;
  const facts = [
    subject === undefined ? '' : `"${subject}"`,
    size === undefined ? '' : sizeText(size),
    line['message-id'] ?? '',
    header_from === undefined || header_from === line.from ? '' : `From: ${header_from}`,
  ].filter((text) => text !== '');
  return [[shown(whoText(line), 300), 'bold'], [facts.length === 0 ? '' : `    ${shown(facts.join(', '), 600)}`]];
}

function tryLines(line: JournalLine, n: number, style: StoryStyle): readonly Line[] {
  const { clock, tenths } = partsOf(line.time, style);
  const { ip = '', host = '', tls = 'no', helo = '', stage, reason, reply, plugin } = line;
  const client = `${ip} ${host === '' ? `(HELO ${helo})` : host}   ${tls === 'no' ? 'no TLS' : `TLS ${tls}`}`;
  const why = [plugin, reason].filter((text) => text !== undefined && text !== '').join(': ');
  const asked = line.destination !== undefined && line.relay_ms !== undefined;
  return [
    [
      [`${clock}.${tenths}`.padEnd(indent)],
      [`try ${n}`.padEnd(8), 'bold'],
      [`${shown(client, 400)}   `],
      [line.verdict, verdictStyles[line.verdict]],
    ],
    ...(style.hosts === true && line.node !== undefined ? [row('by', line.node)] : []),
    ...((line.to ?? []).length > 1
      ? (line.to ?? []).map((to) =>
          row('to', `${to.address}  ${to.reply}${to.queue === undefined ? '' : `  ${to.queue}`}`),
        )
      : []),
    ...((line.said?.length ?? 0) > 0 ? [row('said', saidText(line.said ?? []))] : []),
    ...(why === '' || line.verdict === 'relayed' ? [] : [row('why', why, verdictStyles[line.verdict])]),
    ...(asked
      ? [
          row(
            'relay',
            `${line.destination}  ${line.relay_ms} ms${line.queue === undefined ? '' : `  queued as ${line.queue}`}`,
          ),
        ]
      : []),
    ...(reply === undefined
      ? []
      : [
          row(
            stage === 'dot' ? 'reply' : stage.toUpperCase(),
            `${reply}${line.ms === undefined ? '' : `   ${line.ms} ms in all`}`,
          ),
        ]),
  ];
}

/** `helo, spf, dkim pass; clamav pass 12 ms; dnsbl reject: zen lists 198.51.100.7` */
function saidText(said: readonly PluginWord[]): string {
  const passed = said.filter(([, word, text]) => word === 'pass' && text === undefined).map(([plugin]) => plugin);
  const rest = said
    .filter(([, word, text]) => word !== 'pass' || text !== undefined)
    .map(([plugin, word, text = '', points]) => {
      const score = points === undefined ? '' : ` ${points}`;
      const isTime = /^\d+ ms$/.test(text);
      return `${plugin} ${word}${score}${text === '' ? '' : isTime ? ` ${text}` : `: ${text}`}`;
    });
  return [...(passed.length === 0 ? [] : [`${passed.join(', ')} pass`]), ...rest].join('; ');
}

function nextLines({ verdict, queue, id, filename }: JournalLine): readonly Line[] {
  const text =
    verdict === 'relayed'
      ? queue === undefined
        ? "your MTA's log"
        : `${queue} in your MTA's log`
      : filename !== undefined && id !== undefined
        ? `postern quarantine show ${id}`
        : verdict === 'deferred'
          ? 'the sender was told to try again'
          : 'the sender was told, and knows';
  return [[['next'.padEnd(indent), 'dim'], [shown(text, 200)]]];
}
