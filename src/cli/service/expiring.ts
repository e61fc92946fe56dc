/** The quarantine's expiry while a service runs: at start and every hour. What was removed, and what could not be, goes to the log. */
import type { Logger } from '../../log.js';
import type { Quarantine } from '../../quarantine/quarantine.js';

const hourMs = 3_600_000;

export async function expireAndTell(quarantine: Quarantine, log: Logger): Promise<void> {
  const { removed, problems } = await quarantine.expire();
  if (removed.length > 0) log.info({ removed }, 'quarantine expired');
  for (const problem of problems) log.error({ problem }, 'quarantine not expired');
}

/** Until the timer is cleared. */
export function expireHourly(quarantine: () => Quarantine, log: Logger): NodeJS.Timeout {
  return setInterval(() => void expireAndTell(quarantine(), log), hourMs).unref();
}
