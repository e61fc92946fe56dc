/**
 * system_load — turns connections away for now while the machine is busy.
 *
 *     system_load 20      above a load average (1 minute) of 20 the answer is 421
 */
import { loadavg } from 'node:os';
import type { Plugin } from '../src/hooks/plugin.js';
import { reply } from '../src/mail/reply.js';
import { defer, pass } from '../src/mail/verdict.js';

export default function systemLoad([limit = '20', ...more]: readonly string[]): Plugin {
  if (!/^\d{1,4}(?:\.\d+)?$/.test(limit) || more.length > 0) throw new Error('takes one number, the highest load');
  return {
    name: 'system_load',
    connect() {
      const load = loadavg()[0] ?? 0;
      if (load <= Number(limit)) return pass;
      return defer('', `load ${load} is above ${limit}`, reply(421, '4.3.2', 'Too busy, try again later'));
    },
  };
}
