/** What the filter that verifies senders counts beside what every milter does. */
import { spfResultCodes } from '../../../metrics/gate.js';
import type { Registry } from '../../../metrics/registry.js';
import type { Observation } from '../../../milter/verify-sender/tools.js';
import type { MilterCounts } from '../metrics.js';

/** Seconds. */
const spfBounds = [0.001, 0.01, 0.05, 0.25, 1, 5, 20];

export class SpfCounts {
  readonly #counts: MilterCounts;
  readonly #results;
  readonly #own;
  readonly #seconds;

  constructor(registry: Registry, counts: MilterCounts) {
    this.#counts = counts;
    this.#results = registry.counter('postern_spf_results_total', 'SPF results by identity.', {
      labels: { identity: ['helo', 'mailfrom'], result: spfResultCodes },
    });
    this.#own = registry.counter(
      'postern_spf_own_domain_failures_total',
      'Mails from outside that fail as an own domain.',
      { labels: { result: spfResultCodes } },
    );
    this.#seconds = registry.histogram('postern_spf_seconds', 'Time for an SPF evaluation.', spfBounds).at();
  }

  readonly observe = (event: Observation): void => {
    switch (event.kind) {
      case 'session':
        return this.#counts.session(event.change);
      case 'message':
        return this.#counts.message(event.verdict);
      case 'own':
        return this.#own.at(event.result)?.add();
      case 'result':
        this.#results.at(event.identity, event.result)?.add();
        return this.#seconds?.observe(event.milliseconds / 1000);
    }
  };
}
