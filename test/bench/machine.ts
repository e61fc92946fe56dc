/** How much of the machine others used while something was measured: what they take changes every figure. */
import { readFileSync } from 'node:fs';
import { cpuSecondsOf, ticks } from './child.js';

/**
 * Returns what tells how many cores were busy since, on average, with what is neither this process nor one of these or
 * below them.
 */
export function startWatch(ours: readonly number[]): () => number {
  const begun = { at: performance.now(), busy: busySeconds(), own: ownSeconds(ours) };
  return () => {
    const seconds = (performance.now() - begun.at) / 1000;
    const others = busySeconds() - begun.busy - (ownSeconds(ours) - begun.own);
    return Math.max(0, others / seconds);
  };
}

/** proc(5): the first line of /proc/stat is user, nice, system, idle, iowait, irq, softirq, steal of all cores. */
function busySeconds(): number {
  const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n', 1);
  const [, user = 0, nice = 0, system = 0, , , , , steal = 0] = line.split(/ +/).map(Number);
  return (user + nice + system + steal) / ticks;
}

function ownSeconds(pids: readonly number[]): number {
  const { user, system } = process.cpuUsage();
  return pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), (user + system) / 1e6);
}
