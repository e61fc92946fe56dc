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
import { Counters, serveMetrics } from '../verify-sender/metrics.js';
import { stopSignal } from '../../service/stop-signal.js';
import { permissionsOf } from '../socket-permissions.js';
import { announce, logProblem } from '../verify-sender/process.js';
import { notifySystemd } from '../../service/notify.js';
import { version } from '../../package-root.js';
import { type SubmissionConfig, variableOf } from './config.js';
import { complain } from '../../complain.js';

const topDomains = 10;

/** Serves until TERM or INT; the exit code. */
export async function runSubmission(config: SubmissionConfig, warnings: readonly string[]): Promise<number> {
  const counters = new Counters();
  const directory = config.directory && new CountedDirectory(config.directory, counters);
  const wrong = await directory?.probe();
  if (wrong) {
    complain([`${variableOf(keyOf[wrong.part])}: ${printable(wrong.message, 400)}`]);
    return exit.unavailable;
  }
  const log = createLogger({
    log_level: config.log_level,
    log_format: config.log_format,
    syslog_prefix: process.env['JOURNAL_STREAM'] !== undefined,
  });
  const summary = new Summary(log, counters);
  const tools: SubmissionTools = {
    resolver: resolverOf(config, counters),
    directory,
    log,
    observe: summary.observe,
    now: Date.now,
    newId: () => randomBytes(5).toString('hex'),
  };
  const server = new MilterServer(submission(config, tools), { onProblem: (problem) => logProblem(log, problem) });
  const stopped = stopSignal(); // who is told that it starts may stop it at once
  let ready = false;
  try {
    const permissions = permissionsOf({ socket_mode: config.socketMode, socket_owner: '', socket_group: '' });
    if (typeof permissions === 'string') throw new Error(permissions);
    const bound = await server.listen(config.socket, permissions);
    if (config.metrics)
      await serveMetrics(
        config.metrics,
        () => Promise.resolve(counters.numbers),
        () => ready,
      );
    announce(log, bound);
  } catch (error) {
    complain([(error as Error).message]);
    await server.stop(0);
    return exit.unavailable;
  }
  const { mode, name, outgoing, pattern } = config;
  log.info(
    { name, mode, regex: pattern?.text, outgoing: outgoing.map(({ text }) => text), ldap: directory !== undefined },
    'ready',
  );
  for (const warning of warnings) log.warn({}, warning);
  for (const signal of ['SIGHUP', 'SIGUSR1'] as const) process.on(signal, () => summary.write());
  const timer = setInterval(() => summary.write(), config.summaryEvery);
  ready = true;
  notifySystemd('READY=1');
  const signal = await stopped;
  ready = false;
  notifySystemd('STOPPING=1');
  log.info({ signal }, 'stopping: running sessions are finished');
  clearInterval(timer);
  await server.stop(config.stopTimeout);
  directory?.close();
  summary.write();
  log.info({}, `postern ${version} shut down`);
  return exit.ok;
}

function resolverOf({ zone, dnsServers }: SubmissionConfig, counters: Counters): Resolver {
  if (zone) return zone;
  const stub = stubResolver(dnsServers.length > 0 ? { servers: dnsServers } : {});
  return cachingResolver(counters.measured(stub));
}

class CountedDirectory extends Directory {
  readonly #counters: Counters;

  constructor(options: ConstructorParameters<typeof Directory>[0], counters: Counters) {
    super(options);
    this.#counters = counters;
  }

  override has(values: FilterValues): DirectoryAnswer | Promise<DirectoryAnswer> {
    const asked = super.has(values);
    return asked instanceof Promise ? asked.then((answer) => this.#count(answer)) : this.#count(asked);
  }

  #count(answer: DirectoryAnswer): DirectoryAnswer {
    this.#counters.add(`postern_directory_answers_total{answer="${answer.kind}"}`);
    return answer;
  }
}

/** What test mode is for: how much of which domains reject mode would refuse. */
class Summary {
  readonly #log: Logger;
  readonly #counters: Counters;
  readonly #tally = new ViolationTally();
  #messages = 0;
  #violations: Record<string, number> = {};

  constructor(log: Logger, counters: Counters) {
    this.#log = log;
    this.#counters = counters;
  }

  readonly observe = (event: SubmissionEvent): void => {
    switch (event.kind) {
      case 'session':
        return this.#counters.observe(event);
      case 'message':
        this.#messages++;
        return this.#counters.add(`postern_submission_messages_total{outcome="${event.outcome}"}`);
      case 'violation': {
        const { of, action, domain } = event;
        this.#messages++;
        this.#violations[of] = (this.#violations[of] ?? 0) + 1;
        this.#tally.note(domain, of);
        this.#counters.add('postern_submission_messages_total{outcome="violation"}');
        return this.#counters.add(`postern_submission_violations_total{domain="${of}",action="${action}"}`);
      }
    }
  };

  /** Of the time since the last one; nothing where nothing happened. */
  write(): void {
    if (this.#messages === 0) return;
    const top = this.#tally.top(topDomains);
    this.#log.info({ messages: this.#messages, violations: this.#violations, top }, 'summary');
    this.#messages = 0;
    this.#violations = {};
    this.#tally.clear();
  }
}
