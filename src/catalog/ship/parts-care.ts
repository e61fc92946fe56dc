/**
 * The catalog's days that are over are sealed, those that are too old are dropped: by one host, beside what is shipped,
 * for there may be much of it. Leaves to the shipper when.
 */
import type { Bodies } from '../bodies/bodies.js';
import type { Catalog } from '../catalog.js';
import { forgetErasures } from '../journal/erasures.js';
import { dropRareNames } from '../journal/sums-in-catalog.js';
import { dropOldLines, dropOldParts, sealParts } from '../parts.js';
import { endLease, holdLease } from './node-name.js';

export interface PartsCareOptions {
  /** Its statements may take as long as an index takes. */
  readonly patient: Catalog;
  readonly bodies: Bodies;
  readonly host: string;
  readonly holder: string;
  /** Milliseconds; older days go. 0: none. */
  readonly keepMs: number;
  /** The same of the journal's. */
  readonly journalKeepMs: number;
  readonly onFailed: (error: unknown) => void;
}

/** Who cares for the parts does so for so long at most. */
const careSeconds = 7_200;
const careNode = 'care';

export class PartsCare {
  readonly #options: PartsCareOptions;
  #running: Promise<void> = Promise.resolve();

  constructor(options: PartsCareOptions) {
    this.#options = options;
  }

  begin(): void {
    this.#running = this.#running.then(() => this.#careAlone()).catch(this.#options.onFailed);
  }

  async ended(): Promise<void> {
    await this.#running;
  }

  /** One host does it. */
  async #careAlone(): Promise<void> {
    const { patient, host, holder } = this.#options;
    const database = await patient.use();
    const lease = { node: careNode, host, holder, seconds: careSeconds };
    if (!(await holdLease(database, lease))) return;
    try {
      const { bodies, keepMs, journalKeepMs } = this.#options;
      if (keepMs > 0) await bodies.dropBefore(await dropOldParts(database, keepMs));
      if (journalKeepMs > 0) await dropOldLines(database, journalKeepMs);
      if (journalKeepMs > 0) await forgetErasures(database, journalKeepMs);
      await dropRareNames(database);
      await sealParts(database);
    } finally {
      await endLease(database, lease);
    }
  }
}
