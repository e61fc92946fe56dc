/**
 * One life of a long-running command: it opens its ports, gives up its rights, starts, says that it is ready, hears
 * signals, stops and closes. What is opened and served is the business of `serve`, `milter` and `web`.
 */
import { reopenLogFiles } from '../../log-output.js';
import { complain } from '../complain.js';
import { exit } from '../exit-codes.js';
import { feedWatchdog, notifySystemd } from './notify.js';
import { type Account, dropPrivileges } from './privileges.js';
import type { Signals } from './signals.js';

/** Why it cannot serve, for people, and the exit code that says so. */
export interface Failure {
  readonly code: number;
  readonly problems: readonly string[];
}

export interface Service {
  /** Opens what may need root's rights: ports, folders, log files. */
  open(): Promise<Failure | undefined>;
  /** It is the account that the process changes to after `open`. */
  readonly account?: Account;
  /** Starts what needs no such rights; when this is over, the service serves. */
  start?(): Promise<Failure | undefined>;
  reload?(): void | Promise<void>;
  reopen?(): void;
  /** It settles when the service cannot go on, with the exit code. */
  readonly over?: Promise<number>;
  /**
   * Finishes what is under way, and closes everything. After a failure it closes what is open by then. `why` is the
   * signal.
   */
  close(why: string | undefined): Promise<void>;
}

/** Runs the service to its end; returns the exit code. */
export async function live(service: Service, signals: Signals): Promise<number> {
  const stopped = signals.stop.then(() => exit.ok);
  const failure = await Promise.race([rise(service), stopped.then(() => undefined)]);
  if (failure !== undefined) {
    complain(failure.problems);
    await service.close(undefined);
    return failure.code;
  }
  if (signals.isStopping) return end(service, signals, exit.ok);
  const watchdog = feedWatchdog();
  notifySystemd('READY=1');
  signals.onReopen(() => {
    complain(reopenLogFiles());
    service.reopen?.();
  });
  let reloading = Promise.resolve();
  signals.onReload(() => {
    reloading = reloading.then(() => reload(service));
  });
  const code = await Promise.race([stopped, ...(service.over === undefined ? [] : [service.over])]);
  clearInterval(watchdog);
  return end(service, signals, code);
}

async function rise(service: Service): Promise<Failure | undefined> {
  const failure = await service.open();
  if (failure !== undefined) return failure;
  const problem = service.account && dropPrivileges(service.account);
  return problem === undefined ? service.start?.() : { code: exit.noPermission, problems: [problem] };
}

async function reload(service: Service): Promise<void> {
  if (service.reload === undefined) return;
  notifySystemd('RELOADING=1');
  await service.reload();
  notifySystemd('READY=1');
}

async function end(service: Service, signals: Signals, code: number): Promise<number> {
  notifySystemd('STOPPING=1');
  await service.close(signals.isStopping ? await signals.stop : undefined);
  return code;
}
