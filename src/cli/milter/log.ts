/**
 * Where the milter's log goes: syslog, through one long-lived logger(1), for Node has no unix datagram sockets; or
 * stderr, one line an entry, as spf-milter writes it, or as JSON.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createLogger, type Logger } from '../../log.js';
import { standardOutput } from '../../log-output.js';
import { printable } from '../../mail/text.js';
import type { ServiceConfig } from './service-config.js';
import { facilityCodes } from './verify-sender/schema.js';

export type LogConfig = Pick<ServiceConfig, 'log_destination' | 'log_level' | 'log_format' | 'syslog_facility'>;

export interface MilterLog {
  readonly log: Logger;
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
  const form = config.log_format === 'json' ? (line: string) => line.trimEnd() : plainLine;
  const syslog =
    config.log_destination === 'syslog' && existsSync(device) ? new Syslog(logger, config.syslog_facility) : undefined;
  const toStderr = (line: string): void => stderr(`${journalPrefix(line)}${form(line)}\n`);
  const write = (line: string): void => {
    if (!syslog?.write(severityOf(line), form(line))) toStderr(line);
  };
  const output = { stream: { write }, isTerminal: false };
  const log = createLogger(
    { log_level: config.log_level, log_format: 'json', syslog_prefix: false, log_file: '' },
    output,
  );
  if (config.log_destination === 'syslog' && !syslog)
    log.warn({}, `there is no ${device}: the log goes to standard error`);
  return { log, close: async () => syslog?.close() };
}

/** RFC 5424 severities of pino's levels. */
function severityOf(line: string): number {
  const level = Number(/^\{"level":(\d+)/.exec(line)?.[1] ?? 30);
  return level >= 50 ? 3 : level >= 40 ? 4 : level >= 30 ? 6 : 7;
}

/** sd-daemon(3): where standard error is the journal, each line may say how grave it is. */
const journalPrefix = (line: string): string => (process.env['JOURNAL_STREAM'] ? `<${severityOf(line)}>` : '');

/** What journals and syslog daemons take in one piece. */
const maxLine = 8000;

/** The sentence, and the facts behind it as `key=value`. */
export function plainLine(json: string): string {
  const { level: _, time: __, pid: ___, msg, ...facts } = JSON.parse(json) as Record<string, unknown>;
  const words = Object.entries(facts).map(([key, value]) => `${key}=${wordOf(value)}`);
  return printable([String(msg), ...words].join(' '), maxLine);
}

const wordOf = (value: unknown): string =>
  typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);

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
