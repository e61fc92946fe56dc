/**
 * system_load — turns connections away for now while the machine is busy.
 *
 *     system_load 10      above a load average (1 minute) of 10 for each core the answer is 421
 */
import { availableParallelism, loadavg } from 'node:os';
import type { Plugin } from '../src/hooks/plugin.js';
import { reply } from '../src/mail/reply.js';
import { defer, pass } from '../src/mail/verdict.js';

export default function systemLoad([limit = '10', ...more]: readonly string[]): Plugin {
  if (!/^\d{1,4}(?:\.\d+)?$/.test(limit) || more.length > 0)
    throw new Error('takes one number, the highest load for each core');
  const load = coreLoad();
  const highest = Number(limit);
  return {
    name: 'system_load',
    connect() {
      const now = load();
      if (now <= highest) return pass;
      const log = `load ${now.toFixed(2)} for each core is above ${limit}`;
      return defer('', log, reply(421, '4.3.2', 'Too busy, try again later'));
    },
  };
}

/** Read once a second: the kernel counts it anew each five. */
function coreLoad(): () => number {
  const cores = availableParallelism();
  let load = 0;
  let readAt = -Infinity;
  return () => {
    const now = performance.now();
    if (now - readAt >= 1000) {
      load = (loadavg()[0] ?? 0) / cores;
      readAt = now;
    }
    return load;
  };
}
