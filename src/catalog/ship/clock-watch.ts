/** Whether the catalog's clock and ours agree: told when that changes. */
import type { Sql } from '../database.js';
import { clockOff, maxClockOffMs } from '../status.js';

/** The catalog's clock, so far ahead of ours, is more than a minute off, or is so no more. */
export type ClockChanged = (offMs: number, isOff: boolean) => void;

export class ClockWatch {
  readonly #changed: ClockChanged | undefined;
  #isOff = false;
  /** Milliseconds; undefined before it was asked. */
  offMs: number | undefined;

  constructor(changed: ClockChanged | undefined) {
    this.#changed = changed;
  }

  async look(sql: Sql): Promise<void> {
    this.offMs = await clockOff(sql);
    const isOff = Math.abs(this.offMs) > maxClockOffMs;
    if (isOff !== this.#isOff) this.#changed?.(this.offMs, isOff);
    this.#isOff = isOff;
  }
}
