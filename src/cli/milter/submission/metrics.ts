/** What the milter for mail we send on counts beside what every milter does. */
import type { DirectoryAnswer } from '../../../directory/directory.js';
import type { Registry } from '../../../metrics/registry.js';
import type { SubmissionEvent } from '../../../milter/submission/settings.js';
import { DnsCounts, SessionCounts } from '../metrics.js';

const outcomes = ['skipped', 'open', 'permitted', 'ignored', 'broken', 'dns-failed', 'violation'] as const;

export class SubmissionCounts extends SessionCounts {
  readonly dns: DnsCounts;
  readonly #messages;
  readonly #violations;
  readonly #directory;

  constructor(registry: Registry) {
    super(registry);
    this.dns = new DnsCounts(registry);
    this.#messages = registry.counter(
      'postern_submission_messages_total',
      'Mails sent on, by what their domain publishes.',
      { labels: { outcome: outcomes } },
    );
    this.#violations = registry.counter(
      'postern_submission_violations_total',
      'Mails that their domain does not permit us to send on.',
      { labels: { domain: ['own', 'foreign', 'unknown'], action: ['passed', 'marked', 'refused', 'deferred'] } },
    );
    this.#directory = registry.counter('postern_directory_answers_total', 'Answers of the LDAP directory.', {
      labels: { answer: ['found', 'absent', 'failed'] },
    });
  }

  observe(event: SubmissionEvent): void {
    switch (event.kind) {
      case 'session':
        return this.session(event.change);
      case 'message':
        return this.#messages.at(event.outcome)?.add();
      case 'violation':
        this.#messages.at('violation')?.add();
        return this.#violations.at(event.of, event.action)?.add();
    }
  }

  answered({ kind }: DirectoryAnswer): void {
    this.#directory.at(kind)?.add();
  }
}
