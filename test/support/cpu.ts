/**
 * CPU time, which other programs on the machine do not add to: what tests may set bounds to, unlike the time of day.
 */
import { readFileSync } from 'node:fs';

/** Milliseconds that this process has used, all its threads together. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Milliseconds that the main thread of this process has used: what holds up its event loop. Linux, proc(5). */
export const mainThreadCpuMs = (): number =>
  Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6;
