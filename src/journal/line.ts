/**
 * One line of the journal: what became of a mail, or of a client that was turned away before there was one; both ways.
 * Whatever octets a client has sent, a line holds no control or invisible character. Leaves the files to writer.ts and
 * reader.ts.
 */
import { cut, escaped, fittingLine, listText, maxLine, numberField, objectOf, textField } from '../lines/json-line.js';

export const journalVerdicts = [
  'relayed',
  'taken',
  'rejected',
  'discarded',
  'deferred',
  'refused',
  'turned away',
] as const;
export type JournalVerdict = (typeof journalVerdicts)[number];

export type JournalStage = 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'dot';

export interface JournalRecipient {
  readonly address: string;
  /** The reply to RCPT. */
  readonly reply: string;
  /** The MTA's queue id, where recipients have different ones. */
  readonly queue?: string;
}

/** What one plugin said: its name, the word, and what it had to say beside it. */
export type PluginWord = readonly [
  plugin: string,
  word: 'pass' | 'reject' | 'defer' | 'mark' | 'skip' | 'score',
  text?: string,
  points?: number,
];

/** The tries of one mail; the key is that of its network, sender and recipients. */
export interface MailTries {
  readonly key: string;
  /** 1 is the first. */
  readonly n: number;
  /** RFC 3339: when the first one was; undefined where this is it. */
  readonly first?: string;
}

/** As it is written: `time` comes first, and absent keys are left out. Domains and host names are in lower case. */
export interface JournalLine {
  /** RFC 3339 in UTC with milliseconds: the beginning of the transaction. */
  readonly time: string;
  readonly verdict: JournalVerdict;
  readonly stage: JournalStage;
  /** It is the transaction's. */
  readonly id?: string | undefined;
  readonly session?: string | undefined;
  /** The host that writes it. */
  readonly node?: string | undefined;
  /** The hosted domain; '' where there is none. */
  readonly domain?: string | undefined;
  /** The reverse-path; '' is the null one. */
  readonly from?: string | undefined;
  /** Decoded, in one harmless line. */
  readonly header_from?: string | undefined;
  readonly to?: readonly JournalRecipient[] | undefined;
  /** Decoded. */
  readonly subject?: string | undefined;
  readonly 'message-id'?: string | undefined;
  readonly ip?: string | undefined;
  readonly host?: string | undefined;
  readonly helo?: string | undefined;
  /** `1.3 TLS_AES_256_GCM_SHA384`, or `no`. */
  readonly tls?: string | undefined;
  /** The name that the client asked for in its handshake. */
  readonly sni?: string | undefined;
  readonly plugin?: string | undefined;
  /** For the operator. */
  readonly reason?: string | undefined;
  /** What the client was told: code, enhanced code and text. */
  readonly reply?: string | undefined;
  readonly said?: readonly PluginWord[] | undefined;
  readonly spf?: string | undefined;
  readonly dkim?: string | undefined;
  readonly dmarc?: string | undefined;
  readonly score?: number | undefined;
  /** Octets. */
  readonly size?: number | undefined;
  /** From the beginning of the transaction to its reply. */
  readonly ms?: number | undefined;
  readonly relay_ms?: number | undefined;
  /** The MTA's queue id. */
  readonly queue?: string | undefined;
  /** The MTA that was asked. */
  readonly destination?: string | undefined;
  /** Only where the mail was put off, or has been before. */
  readonly tries?: MailTries | undefined;
  /** In the quarantine. */
  readonly filename?: string | undefined;
  /** How many others like this one were held back in the same minute. */
  readonly count?: number | undefined;
}

/** It ends in a newline. */
export function journalText(line: JournalLine): string {
  const text = `${jsonOf(line)}\n`;
  const isShort = (line.to?.length ?? 0) <= maxItems && (line.said?.length ?? 0) <= maxItems;
  // A UTF-16 unit makes at most three octets.
  if (isShort && (text.length <= maxLine / 3 || Buffer.byteLength(text) <= maxLine)) return text;
  return fittingLine((maxValue) => jsonOf(shortened(line, maxValue))).toString();
}

const jsonOf = (line: JournalLine): string =>
  `{"time":"${escaped(line.time)}"` +
  textField('id', line.id) +
  textField('session', line.session) +
  textField('node', line.node) +
  `,"verdict":"${line.verdict}","stage":"${line.stage}"` +
  textField('domain', line.domain) +
  textField('from', line.from) +
  textField('header_from', line.header_from) +
  (line.to === undefined ? '' : `,"to":${listText(line.to, recipientText)}`) +
  textField('subject', line.subject) +
  textField('message-id', line['message-id']) +
  textField('ip', line.ip) +
  textField('host', line.host) +
  textField('helo', line.helo) +
  textField('tls', line.tls) +
  textField('sni', line.sni) +
  textField('plugin', line.plugin) +
  textField('reason', line.reason) +
  textField('reply', line.reply) +
  (line.said === undefined ? '' : `,"said":${listText(line.said, wordText)}`) +
  textField('spf', line.spf) +
  textField('dkim', line.dkim) +
  textField('dmarc', line.dmarc) +
  numberField('score', line.score) +
  numberField('size', line.size) +
  numberField('ms', line.ms) +
  numberField('relay_ms', line.relay_ms) +
  textField('queue', line.queue) +
  textField('destination', line.destination) +
  (line.tries === undefined ? '' : triesText(line.tries)) +
  textField('filename', line.filename) +
  numberField('count', line.count) +
  '}';

const recipientText = ({ address, reply, queue }: JournalRecipient): string =>
  `{"address":"${escaped(address)}","reply":"${escaped(reply)}"${textField('queue', queue)}}`;

const triesText = ({ key, n, first }: MailTries): string =>
  `,"tries":{"key":"${escaped(key)}","n":${n}${textField('first', first)}}`;

function wordText([plugin, word, text, points]: PluginWord): string {
  if (word === 'pass' && text === undefined) return passText(plugin);
  const more = text === undefined ? '' : `,"${escaped(text)}"`;
  return `["${escaped(plugin)}","${word}"${more}${points === undefined ? '' : `,${points}`}]`;
}

/** What is said most, by plugins. */
const passTexts = new Map<string, string>();
const maxPassTexts = 1000;

function passText(plugin: string): string {
  let text = passTexts.get(plugin);
  if (text === undefined) {
    if (passTexts.size >= maxPassTexts) passTexts.clear();
    passTexts.set(plugin, (text = `["${escaped(plugin)}","pass"]`));
  }
  return text;
}

const maxItems = 100;

/** The same with all its texts cut, and its lists. */
function shortened(line: JournalLine, maxValue: number): JournalLine {
  const items = Math.max(1, Math.min(maxItems, Math.floor(maxValue / 64)));
  const { to, said } = line;
  const fewer = {
    ...line,
    to: to && (to.length <= items ? to : [...to.slice(0, items - 1), more(to.length - items + 1)]),
    said: said?.slice(0, items),
  };
  return JSON.parse(JSON.stringify(fewer), (_, value: unknown) =>
    typeof value === 'string' ? cut(value, maxValue) : value,
  ) as JournalLine;
}

const more = (count: number): JournalRecipient => ({ address: `… and ${count} more`, reply: '' });

/** undefined for what is no line of ours. Keys that are not as they should be are left out. */
export function parseJournalLine(json: string): JournalLine | undefined {
  const value = objectOf(json);
  const verdict = journalVerdicts.find((one) => one === value?.['verdict']);
  const time = value?.['time'];
  if (!value || verdict === undefined || typeof time !== 'string' || Number.isNaN(Date.parse(time))) return undefined;
  const line: Record<string, unknown> = { time, verdict, stage: stageOf(value['stage']) };
  for (const key of texts) if (typeof value[key] === 'string') line[key] = value[key];
  for (const key of numbers) if (Number.isFinite(value[key])) line[key] = value[key];
  if (Array.isArray(value['to'])) line['to'] = value['to'].flatMap(recipientOf);
  if (Array.isArray(value['said'])) line['said'] = value['said'].flatMap(wordOf);
  const tries = triesOf(value['tries']);
  if (tries) line['tries'] = tries;
  return line as unknown as JournalLine;
}

const texts =
  'id session node domain from header_from subject message-id ip host helo tls sni plugin reason reply spf dkim dmarc queue destination filename'.split(
    ' ',
  );

const numbers = ['score', 'size', 'ms', 'relay_ms', 'count'];

const stages: readonly JournalStage[] = ['connect', 'helo', 'mail', 'rcpt', 'data', 'dot'];
const stageOf = (value: unknown): JournalStage => stages.find((stage) => stage === value) ?? 'dot';

type Fields = Readonly<Record<string, unknown>>;
const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});

function recipientOf(value: unknown): JournalRecipient[] {
  const { address, reply, queue } = fieldsOf(value);
  if (typeof address !== 'string') return [];
  const known = typeof reply === 'string' ? reply : '';
  return [{ address, reply: known, ...(typeof queue === 'string' && { queue }) }];
}

const words: readonly PluginWord[1][] = ['pass', 'reject', 'defer', 'mark', 'skip', 'score'];

function wordOf(value: unknown): PluginWord[] {
  const [plugin, given, text, points] = Array.isArray(value) ? (value as unknown[]) : [];
  const word = words.find((one) => one === given);
  if (typeof plugin !== 'string' || word === undefined) return [];
  if (typeof points === 'number' && Number.isFinite(points))
    return [[plugin, word, typeof text === 'string' ? text : '', points]];
  return [typeof text === 'string' ? [plugin, word, text] : [plugin, word]];
}

function triesOf(value: unknown): MailTries | undefined {
  const { key, n, first } = fieldsOf(value);
  if (typeof key !== 'string' || typeof n !== 'number' || !Number.isSafeInteger(n) || n < 1) return undefined;
  return { key, n, ...(typeof first === 'string' && !Number.isNaN(Date.parse(first)) && { first }) };
}
