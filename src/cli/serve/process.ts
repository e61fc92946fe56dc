/** One serving process, from open port to last transaction: listening, HUP, TERM, certificate, expiry. */
import cluster from 'node:cluster';
import type { Logger } from '../../log.js';
import { listenTarget, writeListenEndpoint } from '../../settings/mail-kinds.js';
import type { Settings } from '../../settings/settings.js';
import { LocalLimits } from '../../smtp/limits.js';
import { Listener } from '../../smtp/server.js';
import type { Services } from '../../smtp/services.js';
import { readCertificate, watchCertificate } from '../service/certificate.js';
import { exit } from '../exit-codes.js';
import { expireAndTell, expireHourly } from '../service/expiring.js';
import { listenProblem } from '../service/listen-problem.js';
import { type CommandLine, load } from '../load.js';
import { notifySystemd } from '../service/notify.js';
import { dropPrivileges } from '../service/privileges.js';
import { stopSignal } from '../service/stop-signal.js';
import { survey } from './survey.js';
import { makeFolder, wire } from '../wire.js';
import { primaryLimits } from './worker-limits.js';
import { saysServing } from '../service/workers.js';
import { complain } from '../complain.js';

export interface ProcessOptions {
  readonly command: CommandLine;
  readonly settings: Settings;
  readonly log: Logger;
  /** Told once all ports are open. */
  readonly listening: (services: Services, bound: readonly string[]) => void;
}

/** Serves until TERM or INT; the exit code. */
export async function runProcess(options: ProcessOptions): Promise<number> {
  const { settings, log } = options;
  const wired = await wire(settings, log);
  const certificate = readCertificate(settings);
  const folder = makeFolder('spam', settings.spam, settings);
  const problems = [
    ...(wired.ok ? [] : wired.problem),
    ...(certificate.ok ? [] : [certificate.problem]),
    ...(folder === undefined ? [] : [folder]),
  ];
  if (!wired.ok || !certificate.ok || problems.length > 0) {
    complain(problems);
    return exit.config;
  }
  const limits = cluster.isWorker ? primaryLimits() : new LocalLimits(() => maxOf(listener.services.settings));
  const listener: Listener = new Listener(wired.value, limits, certificate.value);
  const running = new RunningServer(options, listener);
  return running.run();
}

export const maxOf = (settings: Settings): { all: number; perAddress: number } => ({
  all: settings.max_connections,
  perAddress: settings.max_connections_per_ip,
});

class RunningServer {
  readonly #options: ProcessOptions;
  readonly #listener: Listener;
  #unwatch: () => void = () => {};
  #reloading: Promise<void> = Promise.resolve();

  constructor(options: ProcessOptions, listener: Listener) {
    this.#options = options;
    this.#listener = listener;
  }

  async run(): Promise<number> {
    const { settings, log } = this.#options;
    const bound = await this.#listen();
    if (typeof bound === 'number') return bound;
    const problem = dropPrivileges(settings);
    if (problem !== undefined) {
      complain([problem]);
      return exit.noPermission;
    }
    if (process.getuid?.() === 0) log.warn({}, 'running as root: set "user", or let systemd start it as another user');
    this.#warnOfSrv();
    this.#watch();
    const expiry = cluster.isWorker ? undefined : expireHourly(() => this.#listener.services.quarantine, log);
    if (expiry) void expireAndTell(this.#listener.services.quarantine, log);
    const stopped = stopSignal();
    process.on('SIGHUP', this.#hup);
    saysServing();
    log.info({ listen: bound, tls: this.#listener.hasCertificate }, 'listening');
    this.#options.listening(this.#listener.services, bound);
    notifySystemd('READY=1');
    const signal = await stopped;
    notifySystemd('STOPPING=1');
    log.info({ signal }, 'stopping: running transactions are finished');
    clearInterval(expiry);
    await this.#stop();
    log.info({}, 'stopped');
    return exit.ok;
  }

  /** Opens all endpoints; text of what is open, or the exit code. */
  async #listen(): Promise<string[] | number> {
    const bound: string[] = [];
    for (const endpoint of this.#options.settings.listen) {
      try {
        bound.push(await this.#listener.open(listenTarget(endpoint, this.#options.settings.listen)));
      } catch (error) {
        complain([`listen = ${writeListenEndpoint(endpoint)}: ${listenProblem(error)}`]);
        return (error as NodeJS.ErrnoException).code === 'EACCES' ? exit.noPermission : exit.unavailable;
      }
    }
    return bound;
  }

  async #stop(): Promise<void> {
    const { settings } = this.#listener.services;
    this.#unwatch();
    process.off('SIGHUP', this.#hup);
    await this.#reloading;
    await this.#listener.stop(settings.stop_timeout);
    const { relay, quarantine, content, store } = this.#listener.services;
    await Promise.all([relay.close(), quarantine.close(), content.close(), store.close()]);
  }

  readonly #hup = (): void => {
    this.#reloading = this.#reloading.then(() => this.#reload());
  };

  /** Settings, plugins and certificate anew; what is wrong leaves the old ones in place. */
  async #reload(): Promise<void> {
    const { log, command } = this.#options;
    const old = this.#listener.services;
    const loaded = load(command);
    const problems = loaded.ok ? [] : loaded.problem;
    const wired = loaded.ok ? await wire(loaded.value.settings, log, old) : undefined;
    if (!loaded.ok || !wired?.ok) {
      log.error({ problems: wired && !wired.ok ? wired.problem : problems }, 'not reloaded: the old settings stay');
      return;
    }
    this.#listener.services = wired.value;
    this.#retire(old, wired.value);
    this.#unwatch();
    this.#renewCertificate();
    this.#watch();
    this.#warnOfSrv();
    log.info({ restart_for: changedForRestart(old.settings, loaded.value.settings) }, 'reloaded');
  }

  /** Running sessions keep what they began with, so it is closed when none of them can be left. */
  #retire(old: Services, now: Services): void {
    const { session_timeout, data_timeout } = old.settings;
    const close = (): void => {
      if (old.relay !== now.relay) void old.relay.close();
      if (old.quarantine !== now.quarantine) void old.quarantine.close();
      if (old.store !== now.store) void old.store.close();
    };
    setTimeout(close, session_timeout + data_timeout).unref();
  }

  #watch(): void {
    this.#unwatch = watchCertificate(this.#listener.services.settings, () => this.#renewCertificate());
  }

  #renewCertificate(): void {
    const { log } = this.#options;
    const read = readCertificate(this.#listener.services.settings);
    if (!read.ok) return log.error({ problem: read.problem }, 'certificate not renewed: the old one stays');
    if (!read.value) return undefined;
    this.#listener.useCertificate(read.value);
    return log.info({}, 'certificate read');
  }

  #warnOfSrv(): void {
    const { srv, plugins } = this.#listener.services;
    try {
      for (const { domain, idle, brokenExpiry } of survey(srv, plugins.listed)) {
        for (const { check, text } of idle) this.#options.log.warn({ domain, check }, text);
        if (brokenExpiry !== undefined) this.#options.log.warn({ domain }, brokenExpiry);
      }
    } catch (error) {
      this.#options.log.error({ problem: String(error) }, '/srv cannot be read');
    }
  }
}

const needRestart = [
  'listen',
  'state',
  'workers',
  'web',
  'web_hosts',
  'web_proxies',
  'web_tokens',
  'digest_url',
  'user',
  'group',
  'log_level',
  'log_format',
  'syslog_prefix',
] as const;

const changedForRestart = (a: Settings, b: Settings): string[] =>
  needRestart.filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
