/** The numbers of a service that is not the gate: a milter, or the page by itself. Its processes are added up. */
import type { ListenEndpoint } from '../../settings/mail-kinds.js';
import { Registry } from '../../metrics/registry.js';
import { addBuildInfo, addProcessNumbers, LagWatch } from './process-numbers.js';
import { MetricsPort } from './server.js';
import { WorkersNumbers } from './workers-numbers.js';

export class ServiceNumbers {
  readonly registry = new Registry();
  readonly workers = new WorkersNumbers(() => this.registry.snapshot);
  readonly #lag = new LagWatch(this.registry);
  readonly #port: MetricsPort;

  /** `unready` says what is not ready yet. */
  constructor(unready: () => readonly string[]) {
    this.#port = new MetricsPort({ collect: () => this.workers.collect(), unready });
    const help = '1 while the service can do its work: what /readyz says.';
    this.registry.asked({ name: 'postern_ready', help, type: 'gauge', joined: 'max' }, () =>
      Number(unready().length === 0),
    );
    addBuildInfo(this.registry);
    addProcessNumbers(this.registry);
  }

  /**
   * Answers there from now on, or nowhere. Rejects where the address cannot be opened, with what to do about it: then
   * the one before stays.
   */
  async open(at: ListenEndpoint | undefined): Promise<void> {
    await this.#port.use(at);
    this.#lag.turn(at !== undefined);
    if (at) this.workers.watch();
    else this.workers.rest();
  }

  /** Somebody may ask how late the event loop comes; for workers, whose primary answers. */
  measureLag(): void {
    this.#lag.turn(true);
  }

  async close(): Promise<void> {
    this.#lag.turn(false);
    this.workers.rest();
    await this.#port.close();
  }
}
