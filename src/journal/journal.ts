/** The journal as a serving process has it: lines are written, and once an hour it is cared for. */
import { type CareOptions, type CareResult, careForJournal } from './care.js';
import { hourMs } from './hours.js';
import type { JournalLine } from './line.js';
import { JournalWriter, type JournalOptions } from './writer.js';
import { errorText } from '../mail/error-text.js';

export interface OpenJournalOptions extends JournalOptions, Omit<CareOptions, 'now' | 'dir'> {
  /** What was done, and what could not be. */
  readonly onCare: (result: CareResult) => void;
}

export interface Journal {
  /** Writes what the function makes. Never throws, whatever a client has sent, and waits for nothing. */
  write(line: () => JournalLine): void;
  /** Seconds that a line has been waiting to be written. */
  readonly lagSeconds: number;
  /** Writes the rest. */
  close(): void;
}

const soonMs = 10_000;

/**
 * Nothing is written before the first line. undefined where nothing is to be kept: what was kept before is removed
 * then.
 */
export function openJournal(options: OpenJournalOptions): Journal | undefined {
  const { dir, keepMs, maskMs, onCare } = options;
  const care = (): void => void careForJournal({ dir, keepMs, maskMs, now: Date.now() }).then(onCare);
  const soon = setTimeout(care, soonMs).unref();
  if (keepMs === 0) return undefined;
  const writer = new JournalWriter(options);
  const hourly = setInterval(care, hourMs).unref();
  return {
    write(line) {
      try {
        writer.write(line());
      } catch (error) {
        writer.lose(1, errorText(error));
      }
    },
    get lagSeconds() {
      return writer.lagSeconds;
    },
    close() {
      clearTimeout(soon);
      clearInterval(hourly);
      writer.close();
    },
  };
}
