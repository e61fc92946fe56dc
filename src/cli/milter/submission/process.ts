/**
 * `postern milter --policy submission`, from open socket to last session. Keeps no state but caches and counts: run
 * as many as you like.
 */
import { randomBytes } from 'node:crypto';
import { Directory, type DirectoryAnswer } from '../../../directory/directory.js';
import type { FilterValues } from '../../../directory/filter.js';
import { keyOf } from '../../../directory/settings.js';
import { cachingResolver } from '../../../dns/cache.js';
import type { Resolver } from '../../../dns/resolver.js';
import { stubResolver } from '../../../dns/stub/stub-resolver.js';
import { createLogger, type Logger } from '../../../log.js';
import { printable } from '../../../mail/text.js';
import { MilterServer } from '../../../milter/server.js';
import { submission } from '../../../milter/submission/submission.js';
import type { SubmissionEvent, SubmissionTools } from '../../../milter/submission/settings.js';
import { ViolationTally } from '../../../milter/submission/tally.js';
import { exit } from '../../exit-codes.js';
import { measured } from '../../../dns/upstream.js';
import { ServiceNumbers } from '../../metrics/service-numbers.js';
import { SubmissionCounts } from './metrics.js';
import { type Failure, live, type Service } from '../../service/life.js';
import type { Signals } from '../../service/signals.js';
import { permissionsOf } from '../socket-permissions.js';
import { announce, logProblem } from '../process.js';
import { version } from '../../package-root.js';
import { type SubmissionConfig, variableOf } from './config.js';
import { errorText } from '../../../mail/error-text.js';

const topDomains = 10;

interface SubmissionRun {
  readonly config: SubmissionConfig;
  readonly warnings: readonly string[];
}

/** Serves until it is stopped; returns the exit code. */
export async function runSubmission({ config, warnings }: SubmissionRun, signals: Signals): Promise<number> {
  const log = createLogger({
    log_level: config.log_level,
    log_format: config.log_format,
    log_file: '',
    syslog_prefix: process.env['JOURNAL_STREAM'] !== undefined,
  });
  return live(new SubmissionService(config, warnings, log), signals);
}

class SubmissionService implements Service {
  readonly #config: SubmissionConfig;
  readonly #warnings: readonly string[];
  readonly #log: Logger;
  readonly #numbers = new ServiceNumbers(() => (this.#isReady ? [] : ['the milter is starting or stopping']));
  readonly #counts = new SubmissionCounts(this.#numbers.registry);
  readonly #summary: Summary;
  readonly #directory: CountedDirectory | undefined;
  readonly #server: ReturnType<typeof serverOf>;
  #isReady = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(config: SubmissionConfig, warnings: readonly string[], log: Logger) {
    this.#config = config;
    this.#warnings = warnings;
    this.#log = log;
    this.#summary = new Summary(log, this.#counts);
    this.#directory = config.directory && new CountedDirectory(config.directory, this.#counts);
    const tools: SubmissionTools = {
      resolver: resolverOf(config, this.#counts.dns),
      directory: this.#directory,
      log,
      observe: this.#summary.observe,
      now: Date.now,
      newId: () => randomBytes(5).toString('hex'),
    };
    this.#server = serverOf(config, tools, log);
  }

  async open(): Promise<Failure | undefined> {
    const { socket, metrics, socketMode } = this.#config;
    for (const warning of this.#warnings) this.#log.warn({}, warning);
    const wrong = await this.#directory?.probe();
    if (wrong) return unavailable(`${variableOf(keyOf[wrong.part])}: ${printable(wrong.message, 400)}`);
    try {
      const permissions = permissionsOf({
        socket_mode: socketMode,
        socket_owner: '',
        socket_group: '',
        user: '',
        group: '',
      });
      if (typeof permissions === 'string') return unavailable(permissions);
      const bound = await this.#server.listen(socket, permissions);
      await this.#numbers.open(metrics);
      announce(this.#log, bound);
    } catch (error) {
      return unavailable(errorText(error));
    }
    return undefined;
  }

  start(): Promise<undefined> {
    const { mode, name, outgoing, pattern, summaryEvery } = this.#config;
    this.#log.info(
      {
        name,
        mode,
        regex: pattern?.text,
        outgoing: outgoing.map(({ text }) => text),
        ldap: this.#directory !== undefined,
      },
      'ready',
    );
    this.#timer = setInterval(() => this.#summary.write(), summaryEvery);
    this.#isReady = true;
    return Promise.resolve(undefined);
  }

  /** An environment does not change: there is nothing to read again. */
  reload(): void {
    this.#summary.write();
  }

  reopen(): void {
    this.#summary.write();
  }

  async close(why: string | undefined): Promise<void> {
    this.#isReady = false;
    clearInterval(this.#timer);
    if (why !== undefined) this.#log.info({ signal: why }, 'stopping: running messages are finished');
    await Promise.all([this.#server.stop(why === undefined ? 0 : this.#config.stopTimeout), this.#numbers.close()]);
    this.#directory?.close();
    if (why === undefined) return;
    this.#summary.write();
    this.#log.info({}, `postern ${version} shut down`);
  }
}

const serverOf = (config: SubmissionConfig, tools: SubmissionTools, log: Logger) =>
  new MilterServer(submission(config, tools), {
    idleMs: config.idleTimeout,
    onProblem: (problem) => logProblem(log, problem),
  });

const unavailable = (problem: string): Failure => ({ code: exit.unavailable, problems: [problem] });

function resolverOf({ zone, dnsServers }: SubmissionConfig, dns: SubmissionCounts['dns']): Resolver {
  if (zone) return zone;
  const stub = stubResolver(dnsServers.length > 0 ? { servers: dnsServers } : {});
  return cachingResolver(measured(stub, dns.asked));
}

class CountedDirectory extends Directory {
  readonly #counts: SubmissionCounts;

  constructor(options: ConstructorParameters<typeof Directory>[0], counts: SubmissionCounts) {
    super(options);
    this.#counts = counts;
  }

  override has(values: FilterValues): DirectoryAnswer | Promise<DirectoryAnswer> {
    const asked = super.has(values);
    return asked instanceof Promise ? asked.then((answer) => this.#count(answer)) : this.#count(asked);
  }

  #count(answer: DirectoryAnswer): DirectoryAnswer {
    this.#counts.answered(answer);
    return answer;
  }
}

/** What test mode is for: how much of which domains reject mode would refuse. */
class Summary {
  readonly #log: Logger;
  readonly #counts: SubmissionCounts;
  readonly #tally = new ViolationTally();
  #messages = 0;
  #violations: Record<string, number> = {};

  constructor(log: Logger, counts: SubmissionCounts) {
    this.#log = log;
    this.#counts = counts;
  }

  readonly observe = (event: SubmissionEvent): void => {
    this.#counts.observe(event);
    if (event.kind === 'session') return;
    this.#messages++;
    if (event.kind === 'message') return;
    this.#violations[event.of] = (this.#violations[event.of] ?? 0) + 1;
    this.#tally.note(event.domain, event.of);
  };

  /** Logs a summary of the time since the last one; nothing where no mail came. */
  write(): void {
    if (this.#messages === 0) return;
    const top = this.#tally.top(topDomains);
    this.#log.info({ messages: this.#messages, violations: this.#violations, top }, 'summary');
    this.#messages = 0;
    this.#violations = {};
    this.#tally.clear();
  }
}
