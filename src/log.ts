/**
 * The log: pino, JSON or pretty, in which no client can forge a line or move a terminal's cursor. What is logged, and
 * under which names, is the business of those who log.
 * Where the lines go, and what becomes of them when nobody reads, is log-output.ts.
 */
import { isatty } from 'node:tty';
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { fileOutput, type LineOutput, standardOutput } from './log-output.js';
import { printable } from './mail/text.js';
import type { Settings } from './settings/settings.js';
import { errorText } from './mail/error-text.js';

export type { Logger } from 'pino';

export type LogSettings = Pick<Settings, 'log_level' | 'log_format' | 'syslog_prefix' | 'log_file'>;

interface LogStream extends DestinationStream {
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
  const form = pretty ? prettyForm(output.isTerminal) : safeJson;
  const log = pino(
    {
      level: settings.log_level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      hooks: { streamWrite: settings.syslog_prefix ? (line) => withSyslogLevel(line, form(line)) : form },
    },
    output.stream,
  );
  output.stream.whenBack?.((lines) => log.warn({ lines }, 'log lines were dropped: nobody took them'));
  return log;
}

/** Standard output, and the log file where one is set; one that cannot be opened is said in the log. */
function outputs({ log_file }: LogSettings): { readonly output: LogOutput; readonly problem: string | undefined } {
  const first = standardOutput();
  const { file, problem } = openFile(log_file);
  const all = file === undefined ? [first] : [first, file];
  const stream: LogStream = {
    write: file === undefined ? first.write : (line) => all.forEach(({ write }) => write(line)),
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
 * Everything JSON leaves raw and a terminal or a line reader might act on: DEL, C1 controls, line and paragraph
 * separators, bidirectional and other invisible formatting, lone surrogates. (C0 controls are escaped already, but
 * for the final newline.)
 */
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/**
 * A line of pino's JSON with everything unsafe as \uXXXX, which changes no value. Plain ASCII, the common case,
 * returns as it is.
 */
export function safeJson(line: string): string {
  const end = line.length - 1;
  if (line.search(/[^ -~]/) === end) return line;
  return `${line.slice(0, end).replace(unsafe, escaped)}\n`;
}

/** Per UTF-16 unit, as JSON wants it. */
const escaped = (character: string): string =>
  character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');

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
  return (line) => prettify(printableValue(JSON.parse(line)));
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
