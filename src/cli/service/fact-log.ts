/** What services log with, whoever writes it: pino, or the milter's own plain lines. */

/** A sentence, and the facts behind it. */
export type LogEntry = (facts: object, text: string) => void;

export interface FactLog {
  readonly debug: LogEntry;
  readonly info: LogEntry;
  readonly warn: LogEntry;
  readonly error: LogEntry;
  isLevelEnabled(level: 'debug'): boolean;
}
