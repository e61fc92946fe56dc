/**
 * The log: pino, JSON or pretty, in which no client can forge a line or move a terminal's cursor. What is logged, and
 * under which names, is the business of those who log.
 * Where the lines go, and what becomes of them when nobody reads, is log-output.ts.
 */
import { isatty } from 'node:tty';
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { isoTime } from './lines/iso-time.js';
import { escaped, safeLine } from './lines/json-line.js';
import { fileOutput, type LineOutput, standardOutput } from './log-output.js';
import { printable } from './mail/text.js';
import type { Settings } from './settings/settings.js';
import { errorText } from './mail/error-text.js';

export interface Logger extends PinoLogger {
  /**
   * The same as `info` for a line of which there are thousands a second: its fields are JSON already, safe for a line,
   * each behind a comma, and it is written a moment later, together with others.
   */
  infoMade(fields: string, text: string): void;
}

export type LogSettings = Pick<Settings, 'log_level' | 'log_format' | 'syslog_prefix' | 'log_file'>;

interface LogStream extends DestinationStream {
  /** Writes a line a moment later; at once where it is not given. */
  readonly writeSoon?: (line: string) => void;
  /** Tells how many lines were lost, when lines are taken again. */
  readonly whenBack?: (tell: (dropped: number) => void) => void;
}

export interface LogOutput {
  readonly stream: LogStream;
  /** A terminal gets the pretty form with `auto`, and colours. */
  readonly isTerminal: boolean;
}

/** Makes the logger; `output` is standard output and the log file where none is given. */
export function createLogger(settings: LogSettings, given?: LogOutput): Logger {
  if (given !== undefined) return loggerOn(settings, given);
  const { output, problem } = outputs(settings);
  const log = loggerOn(settings, output);
  if (problem !== undefined)
    log.error({ problem }, 'log_file cannot be written: the log goes to standard output alone');
  return log;
}

function loggerOn(settings: LogSettings, output: LogOutput): Logger {
  const pretty = settings.log_format === 'pretty' || (settings.log_format === 'auto' && output.isTerminal);
  /** A line of JSON, which is safe already, as it is shown. */
  const inForm = pretty ? prettyForm(output.isTerminal) : (line: string) => line;
  const shown = settings.syslog_prefix ? (line: string) => withSyslogLevel(line, inForm(line)) : inForm;
  const { stream } = output;
  const writeSoon = stream.writeSoon ?? ((line) => stream.write(line));
  const timeNow = (): string => `,"time":"${isoTime(Date.now())}"`;
  const { pid } = process;
  const logger = pino(
    {
      level: settings.log_level,
      base: { pid },
      timestamp: timeNow,
      hooks: { streamWrite: (line) => shown(safeJson(line)) },
    },
    stream,
  );
  const log = Object.assign(logger, {
    infoMade(fields: string, text: string): void {
      if (!logger.isLevelEnabled('info')) return;
      writeSoon(shown(`{"level":30${timeNow()},"pid":${pid}${fields},"msg":"${escaped(text)}"}\n`));
    },
  });
  stream.whenBack?.((lines) => log.warn({ lines }, 'log lines were dropped: nobody took them'));
  return log;
}

/** Standard output, and the log file where one is set; one that cannot be opened is said in the log. */
function outputs({ log_file }: LogSettings): { readonly output: LogOutput; readonly problem: string | undefined } {
  const first = standardOutput();
  const { file, problem } = openFile(log_file);
  const all = file === undefined ? [first] : [first, file];
  const stream: LogStream = {
    write: file === undefined ? first.write : (line) => all.forEach(({ write }) => write(line)),
    writeSoon: file === undefined ? first.writeSoon : (line) => all.forEach(({ writeSoon }) => writeSoon(line)),
    whenBack: (tell) => all.forEach((one) => (one.whenBack = tell)),
  };
  return { output: { stream, isTerminal: isatty(1) }, problem };
}

function openFile(path: string): { readonly file?: LineOutput; readonly problem?: string } {
  if (path === '') return {};
  try {
    return { file: fileOutput(path) };
  } catch (error) {
    return { problem: errorText(error) };
  }
}

/**
 * A line of pino's JSON with everything as \uXXXX that a terminal or a line reader might act on, which changes no
 * value. Plain ASCII, the common case, returns as it is.
 */
export const safeJson = (line: string): string => (/^[ -~]*\n$/.test(line) ? line : `${safeLine(line.slice(0, -1))}\n`);

/** RFC 5424 severities of pino's levels. */
function syslogLevel(level: number): number {
  if (level >= 60) return 2; // critical
  if (level >= 50) return 3; // error
  if (level >= 40) return 4; // warning
  return level >= 30 ? 6 : 7; // informational, debug
}

/** sd-daemon(3): `<n>` at the start of every line the journal reads. */
function withSyslogLevel(json: string, text: string): string {
  const level = Number(/^\{"level":(\d+)/.exec(json)?.[1] ?? 30);
  return text.replace(/^(?=.)/gm, `<${syslogLevel(level)}>`);
}

/** One line an entry, but for the frames of an error's stack. */
function prettyForm(colorize: boolean): (line: string) => string {
  const prettify = prettyFactory({ colorize, singleLine: true, ignore: 'pid', translateTime: 'SYS:HH:MM:ss.l' });
  return (line) => {
    const value = printableValue(JSON.parse(line)) as Entry;
    return isToldByItsMail(value) ? '' : (mailLine(value, colorize) ?? prettify(value));
  };
}

type Entry = Readonly<Record<string, unknown>>;

/** Why a plugin objects stands in the line of its mail, too. */
const isToldByItsMail = ({ msg, plugin, hook }: Entry): boolean =>
  msg === 'fail' && plugin !== undefined && hook !== undefined;

/** SGR parameters of the words that end a mail. */
const colours: Readonly<Record<string, number>> = {
  relayed: 32,
  rejected: 31,
  refused: 31,
  deferred: 33,
  discarded: 35,
  'turned away': 35,
};

/**
 * What became of a mail, or of a client that was turned away before there was one, as a person reads it:
 * `21:36:27 rejected anna@sender.example → alice@example.com spf: … (ID)`. Returns undefined for all other entries.
 */
function mailLine(entry: Entry, colorize: boolean): string | undefined {
  const { msg, time, from, rcpts, plugin, reason, reply, id, session, ip } = entry;
  const colour = typeof msg === 'string' ? colours[msg] : undefined;
  if (colour === undefined || typeof time !== 'string') return undefined;
  const isMail = Array.isArray(rcpts) && typeof from === 'string';
  if (!isMail && msg !== 'turned away') return undefined;
  const who = isMail ? `${from === '' ? '<>' : from} → ${rcpts.join(', ')}` : String(ip);
  const why = [plugin, reason ?? reply].filter((part) => typeof part === 'string').join(': ');
  const clock = new Date(time).toTimeString().slice(0, 8);
  const word = colorize ? `\x1b[${colour}m${msg as string}\x1b[39m` : (msg as string);
  return `${clock} ${word} ${who}  ${why} (${String(id ?? session)})\n`;
}

/** The same value, every string and key in it fit for a terminal. */
function printableValue(value: unknown): unknown {
  if (typeof value === 'string') return oneLine(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(printableValue);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      oneLine(key),
      key === 'stack' ? printableStack(value) : printableValue(inner),
    ]),
  );
}

const oneLine = (text: string): string => printable(text, Infinity);

/**
 * The stack of an error as pino writes it: only frames behind the message keep a line of their own, for a message may
 * hold anything.
 */
function printableStack(error: { readonly stack?: unknown; readonly message?: unknown }): unknown {
  if (typeof error.stack !== 'string' || typeof error.message !== 'string') return printableValue(error.stack);
  const at = error.stack.indexOf(error.message);
  if (at < 0) return oneLine(error.stack);
  const end = at + error.message.length;
  const [rest = '', ...frames] = error.stack.slice(end).split('\n');
  return [error.stack.slice(0, end) + rest, ...frames.filter((line) => /^ {4}at /.test(line))].map(oneLine).join('\n');
}
