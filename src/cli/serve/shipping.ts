/** The process that ships what this host refuses into the catalog, as `serve` keeps it where there is one. */
import type { Logger } from '../../log.js';
import type { Settings } from '../../settings/settings.js';
import type { WorkersNumbers } from '../metrics/workers-numbers.js';
import { rotated } from '../service/child.js';
import { KeptChild } from './kept-child.js';
import { changed } from '../wire.js';

const names = [
  'catalog',
  'bodies',
  'spam',
  'state',
  'hostname',
  'expire',
  'expire_size',
  'ship_keep',
  'srv',
  'recipient_delimiter',
  'blacklist_dir',
  'journal',
  'journal_to',
] as const;

/** What shipping knows of the settings: where one of them has changed, it is begun anew. */
export type ShippingSettings = Pick<Settings, (typeof names)[number]>;

export class Shipping {
  readonly #argv: readonly string[];
  readonly #log: Logger;
  readonly #numbers: WorkersNumbers;
  #settings: Settings | undefined;
  #kept: KeptChild | undefined;

  /** `argv` are the words that settings are read from; `numbers` are told what is shipped. */
  constructor(argv: readonly string[], log: Logger, numbers: WorkersNumbers) {
    this.#argv = argv;
    this.#log = log;
    this.#numbers = numbers;
  }

  /** From now on by these settings: whatever they have changed, the process reads them itself when it starts. */
  async use(settings: Settings): Promise<void> {
    const before = this.#settings;
    this.#settings = settings;
    if (before && changed(before, settings, names).length === 0) return;
    await this.stop(stopMs);
    if (settings.catalog === '') return;
    this.#kept = new KeptChild({
      name: 'shipping to the catalog',
      program: { argv: ['catalog', 'ship', ...this.#argv], ports: [] },
      log: this.#log,
      started: (child) => this.#numbers.started(child, 'shipping'),
      ended: (child) => this.#numbers.ended(child),
    });
  }

  reopen(): void {
    this.#kept?.child?.channel.tell(rotated, undefined);
  }

  async stop(withinMs: number): Promise<void> {
    const kept = this.#kept;
    this.#kept = undefined;
    await kept?.stop(withinMs);
  }
}

/** A statement that is on its way comes to its end in that time; what it would have done is done after a start. */
const stopMs = 3_000;
