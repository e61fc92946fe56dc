/**
 * The quarantine's expiry while a service runs: at start and every hour. What was removed, and what could not be, goes
 * to the log. With a clock that cannot be believed at start nothing is removed until it can, or somebody has expired by
 * hand.
 */
import type { Logger } from '../../log.js';
import type { Quarantine } from '../../quarantine/quarantine.js';

const hourMs = 3_600_000;

/** True once this process has found that its clock can be believed; it is believed from then on. */
let isClockBelieved = false;

export async function expireAndTell(quarantine: Quarantine, log: Logger): Promise<void> {
  const doubt = isClockBelieved ? undefined : await quarantine.clockProblem();
  if (doubt !== undefined) return log.error({ problem: doubt }, 'quarantine not expired');
  isClockBelieved = true;
  const { removed, problems } = await quarantine.expire();
  if (removed.length > 0) log.info({ removed }, 'quarantine expired');
  for (const problem of problems) log.error({ problem }, 'quarantine not expired');
}

/** Expires every hour until the timer is cleared. */
export function expireHourly(quarantine: () => Quarantine, log: Logger): NodeJS.Timeout {
  return setInterval(() => void expireAndTell(quarantine(), log), hourMs).unref();
}
