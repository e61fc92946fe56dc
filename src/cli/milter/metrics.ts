/** What every milter counts. Labels are words of ours only, so no client can make their number grow. */
import type { DnsAnswer } from '../../dns/resolver.js';
import { dnsBounds } from '../../metrics/gate.js';
import type { Registry } from '../../metrics/registry.js';
import type { MilterProblem } from '../../milter/server.js';

const verdicts = ['passed', 'refused', 'held', 'skipped', 'deferred', 'discarded'] as const;
const problems = ['protocol', 'full', 'handler', 'session', 'listener'] as const satisfies MilterProblem['kind'][];

export class SessionCounts {
  readonly #sessions;
  readonly #begun;

  constructor(registry: Registry) {
    this.#sessions = registry.gauge('postern_milter_sessions', 'SMTP sessions under way.').at();
    this.#begun = registry.counter('postern_milter_sessions_total', 'SMTP sessions begun.').at();
  }

  session(change: 1 | -1): void {
    if (this.#sessions) this.#sessions.value += change;
    if (change > 0) this.#begun?.add();
  }
}

export class DnsCounts {
  readonly #seconds;
  readonly #answers;

  constructor(registry: Registry) {
    const help = 'Time for a question to the name servers.';
    this.#seconds = registry.histogram('postern_dns_lookup_seconds', help, dnsBounds).at();
    const labels = { answer: ['found', 'void', 'failed'] };
    this.#answers = registry.counter('postern_dns_answers_total', 'Answers of the name servers.', { labels });
  }

  readonly asked = (seconds: number, { kind }: DnsAnswer<unknown>): void => {
    this.#seconds?.observe(seconds);
    this.#answers.at(kind)?.add();
  };
}

export class MilterCounts extends SessionCounts {
  readonly #messages;
  readonly #problems;

  constructor(registry: Registry) {
    super(registry);
    this.#messages = registry.counter('postern_milter_messages_total', 'Messages by what became of them.', {
      labels: { verdict: verdicts },
    });
    this.#problems = registry.counter(
      'postern_milter_problems_total',
      'Faults of the MTA, of the filter, or of postern, by kind.',
      { labels: { kind: problems } },
    );
  }

  message(verdict: (typeof verdicts)[number]): void {
    this.#messages.at(verdict)?.add();
  }

  problem(kind: MilterProblem['kind']): void {
    this.#problems.at(kind)?.add();
  }
}
