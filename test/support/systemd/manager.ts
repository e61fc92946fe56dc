/** What the test of the units asks of whoever manages the service: systemd itself, or what stands in for it. */

/** The units of packaging/ that are started: the service alone opens `servicePort`, the socket `socketPort`. */
export interface Units {
  readonly relayPort: number;
  readonly socketPort: number;
  readonly servicePort: number;
}

export interface Manager {
  /** Starts the service, behind its socket where that is wanted; resolves when it has said that it is ready. */
  start(kind: 'socket' | 'service'): Promise<void>;
  /** Stops whatever was started. */
  stop(): Promise<void>;
  restart(): Promise<void>;
  reload(): Promise<void>;
  /** Stops the main process with SIGSTOP. */
  freeze(): Promise<void>;
  /** The service's main process as the manager knows it; 0 where there is none. */
  mainPid(): Promise<number>;
  /** The lines of `log_file`. */
  log(): readonly Readonly<Record<string, unknown>>[];
  close(): Promise<void>;
}

/** So soon is a main process replaced that says nothing any more: WatchdogSec. */
export const watchdogSeconds = 8;

export const settingsOf = ({ relayPort, servicePort }: Units, folder: string): string =>
  [
    'hostname = mx.test.example',
    'workers = 2',
    `listen = 127.0.0.1:${servicePort}`,
    `relay = 127.0.0.1:${relayPort}`,
    `srv = ${folder}/srv`,
    `log_file = ${folder}/log/log`,
    `plugins = ${folder}/plugins`,
    'max_connections_per_ip = 100',
    '',
  ].join('\n');

/** Lines of a log with `syslog_prefix`. */
export const linesOf = (text: string): readonly Readonly<Record<string, unknown>>[] =>
  text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .map((line) => line.replace(/^<\d>/, ''))
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
