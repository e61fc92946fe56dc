/** What a worker of `postern serve` tells the primary: what it has counted, and what is now. */
import type { GateMetrics } from '../../metrics/gate.js';
import { hearSyncs } from '../../quarantine/disk/durable.js';
import type { Settings } from '../../settings/settings.js';
import type { Certificate, Listener } from '../../smtp/server.js';
import type { Channel } from '../service/channel.js';
import { certificateEnd } from '../service/certificates.js';
import { addProcessNumbers, LagWatch } from './process-numbers.js';
import { tellNumbers } from './workers-numbers.js';

export interface WorkerNumbersParts {
  readonly channel: Channel;
  readonly listener: () => Listener | undefined;
}

export class WorkerNumbers {
  /** Says what has been counted in all: the last word. */
  readonly sayLast: () => void;
  readonly #lag: LagWatch;
  readonly #certificates;

  constructor({ registry, syncSeconds }: GateMetrics, { channel, listener }: WorkerNumbersParts) {
    const gauge = (name: string, help: string, read: () => number): void =>
      registry.asked({ name, help, type: 'gauge' }, read);
    gauge('postern_connections', 'Connections there are.', () => listener()?.connections.size ?? 0);
    gauge('postern_transactions', 'Transactions under way.', () => listener()?.transactions ?? 0);
    const lag = 'How long the oldest line has been waiting to be written to the journal.';
    registry.asked(
      { name: 'postern_journal_lag_seconds', help: lag, type: 'gauge', joined: 'max' },
      () => listener()?.services.journal?.lagSeconds ?? 0,
    );
    this.#certificates = registry.gauge(
      'postern_certificate_expiry_seconds',
      'When the certificate ends, in seconds since 1970.',
      { labels: { name: [] }, joined: 'min' },
    );
    addProcessNumbers(registry);
    this.#lag = new LagWatch(registry);
    hearSyncs((seconds) => syncSeconds?.observe(seconds));
    this.sayLast = tellNumbers(channel, () => registry.snapshot);
  }

  /** Settings are read: what costs something though nobody asks is done only where somebody may. */
  use({ metrics }: Settings): void {
    this.#lag.turn(metrics !== undefined);
  }

  /** The certificates that clients are shown; others are forgotten. */
  certificates(shown: readonly Certificate[]): void {
    this.#certificates.allowOnly(
      'name',
      shown.map(({ name }) => name),
    );
    for (const { name, cert } of shown) {
      const gauge = this.#certificates.at(name);
      if (gauge) gauge.value = certificateEnd(cert);
    }
  }
}
