/**
 * The primary process of several workers: counts connections, keeps their store, passes on what the MTA refused,
 * expires the quarantine.
 */
import type { Logger } from '../../log.js';
import type { Settings } from '../../settings/settings.js';
import { expireHourly } from '../service/expiring.js';
import { type CommandLine, load } from '../load.js';
import { notifySystemd } from '../service/notify.js';
import { maxOf } from './process.js';
import { embeddedOf, quarantineOf } from '../wire.js';
import { countForWorkers } from './worker-limits.js';
import { passOnRefusals } from './worker-refusals.js';
import { storeForWorkers } from './worker-store.js';
import { keepWorkers } from '../service/workers.js';

interface Supervision {
  readonly command: CommandLine;
  readonly settings: Settings;
  readonly log: Logger;
}

/** Runs until TERM or INT, or until workers cannot even start; the exit code. */
export async function superviseWorkers({ command, settings, log }: Supervision): Promise<number> {
  let current = settings;
  countForWorkers(() => maxOf(current));
  passOnRefusals();
  const store = storeForWorkers(() => embeddedOf(current, log));
  const expiry = expireHourly(() => quarantineOf(current), log);
  const code = await keepWorkers({
    count: settings.workers,
    log,
    reloadOn: ['SIGHUP'],
    reloading: () => {
      const loaded = load(command);
      if (loaded.ok) current = loaded.value.settings;
    },
    ready: () => notifySystemd('READY=1'),
    stopping: () => notifySystemd('STOPPING=1'),
  });
  clearInterval(expiry);
  await store.close();
  return code;
}
