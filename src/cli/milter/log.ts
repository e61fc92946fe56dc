/**
 * Where the milter's log goes: syslog, through one long-lived logger(1), for Node has no unix datagram sockets; or
 * stderr, one line an entry, as spf-milter writes it, or as JSON. Under load a log costs more than what it tells of:
 * a line is made once, and what one turn of the event loop logs is written at its end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createLogger } from '../../log.js';
import { standardOutput } from '../../log-output.js';
import { printable } from '../../mail/text.js';
import type { FactLog, LogEntry } from '../service/fact-log.js';
import type { ServiceConfig } from './service-config.js';
import { facilityCodes } from './verify-sender/schema.js';

export type LogConfig = Pick<ServiceConfig, 'log_destination' | 'log_level' | 'log_format' | 'syslog_facility'>;

export interface MilterLog {
  readonly log: FactLog;
  /** Waits until everything is handed on, but not for ever. */
  close(): Promise<void>;
}

export interface LogPlaces {
  readonly stderr: (text: string) => void;
  /** The socket of the system's logger, and the program that writes to it. */
  readonly device: string;
  readonly logger: string;
}

const places = (): LogPlaces => ({ stderr: standardOutput(2).write, device: '/dev/log', logger: 'logger' });

export function openMilterLog(config: LogConfig, { stderr, device, logger }: LogPlaces = places()): MilterLog {
  const syslog =
    config.log_destination === 'syslog' && existsSync(device) ? new Syslog(logger, config.syslog_facility) : undefined;
  const toStderr = new TurnOutput(stderr);
  const write = (severity: number, line: string): void => {
    if (!syslog?.write(severity, line)) toStderr.write(`${journalPrefix(severity)}${line}\n`);
  };
  const log = config.log_format === 'json' ? jsonLog(config, write) : plainLog(config, write);
  if (config.log_destination === 'syslog' && !syslog)
    log.warn({}, `there is no ${device}: the log goes to standard error`);
  return {
    log,
    close: async () => {
      toStderr.flush();
      await syslog?.close();
    },
  };
}

/** Takes a line without its end. */
type WriteLine = (severity: number, line: string) => void;

function jsonLog({ log_level }: LogConfig, write: WriteLine): FactLog {
  const stream = { write: (line: string) => write(severityOf(line), line.trimEnd()) };
  return createLogger(
    { log_level, log_format: 'json', syslog_prefix: false, log_file: '' },
    { stream, isTerminal: false },
  );
}

/** RFC 5424 severities of pino's levels. */
function severityOf(line: string): number {
  const level = Number(/^\{"level":(\d+)/.exec(line)?.[1] ?? 30);
  return level >= 50
    ? severities.error
    : level >= 40
      ? severities.warn
      : level >= 30
        ? severities.info
        : severities.debug;
}

/** RFC 5424 §6.2.1 */
const severities = { error: 3, warn: 4, info: 6, debug: 7 } as const;
const noEntry: LogEntry = () => {};

function plainLog({ log_level }: LogConfig, write: WriteLine): FactLog {
  const entry = (level: keyof typeof severities): LogEntry =>
    severities[level] > severities[log_level]
      ? noEntry
      : (facts, text) => write(severities[level], plainLine(facts, text));
  return {
    debug: entry('debug'),
    info: entry('info'),
    warn: entry('warn'),
    error: entry('error'),
    isLevelEnabled: (level) => severities[level] <= severities[log_level],
  };
}

const isUnderJournal = Boolean(process.env['JOURNAL_STREAM']);

/** sd-daemon(3): where standard error is the journal, each line may say how grave it is. */
const journalPrefix = (severity: number): string => (isUnderJournal ? `<${severity}>` : '');

/** What journals and syslog daemons take in one piece. */
const maxLine = 8000;

/** The sentence, and the facts behind it as `key=value`. */
function plainLine(facts: object, text: string): string {
  const values = facts as Readonly<Record<string, unknown>>;
  let line = printable(text, maxLine);
  for (const key in values) if (values[key] !== undefined) line += ` ${key}=${wordOf(values[key])}`;
  return line.length <= maxLine ? line : printable(line, maxLine);
}

function wordOf(value: unknown): string {
  if (typeof value === 'string' && /^[!#-<>-~]+$/.test(value)) return value; // most are, and hold nothing to look for
  const isWord = typeof value === 'string' && /^[^\s"=]+$/.test(value);
  return printable(
    isWord ? value : JSON.stringify(value instanceof Error ? (value.stack ?? value.message) : value),
    maxLine,
  );
}

/** A pipe takes so many octets of one write in one piece, whoever else writes to it (pipe(7): PIPE_BUF). */
const maxWrite = 4096;

/** Writes the lines of one turn of the event loop together. */
class TurnOutput {
  readonly #write: (text: string) => void;
  #lines = '';

  constructor(write: (text: string) => void) {
    this.#write = write;
    process.once('exit', () => this.flush());
  }

  write(line: string): void {
    if (this.#lines.length + line.length > maxWrite) this.flush();
    if (this.#lines === '') setImmediate(() => this.flush());
    this.#lines += line;
  }

  flush(): void {
    const lines = this.#lines;
    this.#lines = '';
    if (lines !== '') this.#write(lines);
  }
}

/** Octets that are kept while the syslog does not read; beyond them lines are dropped. */
const maxPendingOctets = 1_048_576;
const restartAfterMs = 1000;
const closeWithinMs = 1000;

class Syslog {
  readonly #program: string;
  readonly #facility: number;
  #child: ChildProcess | undefined;
  #startedAt = -Infinity;

  constructor(program: string, facility: ServiceConfig['syslog_facility']) {
    this.#program = program;
    this.#facility = facilityCodes[facility];
  }

  /** Returns false where nobody takes the line. */
  write(severity: number, text: string): boolean {
    const stdin = this.#running()?.stdin;
    if (!stdin?.writable) return false;
    if (stdin.writableLength < maxPendingOctets) stdin.write(`<${this.#facility * 8 + severity}>${text}\n`);
    return true;
  }

  #running(): ChildProcess | undefined {
    if (this.#child || performance.now() - this.#startedAt < restartAfterMs) return this.#child;
    this.#startedAt = performance.now();
    const child = spawn(this.#program, ['--prio-prefix', `--id=${process.pid}`, '--tag', 'postern'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true, // a signal to our group is not for it: it ends with its input
    });
    const gone = (): void => {
      if (this.#child === child) this.#child = undefined;
    };
    child.on('error', gone);
    child.on('exit', gone);
    child.stdin.on('error', gone);
    child.unref();
    this.#child = child;
    return child;
  }

  close(): Promise<void> {
    const child = this.#child;
    if (!child) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, closeWithinMs);
      child.ref();
      child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      child.stdin?.end();
    });
  }
}
