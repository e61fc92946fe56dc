/** What every process of ours tells of itself: processor, memory, open files, and how late its event loop comes. */
import { readdirSync } from 'node:fs';
import { droppedLines } from '../../log-output.js';
import type { Registry } from '../../metrics/registry.js';
import { version } from '../package-root.js';

export function addBuildInfo(registry: Registry): void {
  const options = { labels: { version: [version] }, joined: 'max' } as const;
  const build = registry.gauge('postern_build_info', 'The version that runs.', options).at(version);
  if (build) build.value = 1;
}

/** Seconds. */
const lagBounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const lookEveryMs = 100;

const startedAt = Date.now() / 1000 - process.uptime();

export function addProcessNumbers(registry: Registry): void {
  const each = { joined: 'each' } as const;
  const asked = (name: string, help: string, read: () => number | undefined): void =>
    registry.asked({ name, help, type: name.endsWith('_total') ? 'counter' : 'gauge', ...each }, read);
  asked('process_cpu_seconds_total', 'Processor time.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000_000;
  });
  asked('process_resident_memory_bytes', 'Memory in use.', () => process.memoryUsage.rss());
  asked('process_start_time_seconds', 'When the process started, in seconds since 1970.', () => startedAt);
  asked('process_open_fds', 'Open files and sockets.', openFiles);
  const help = 'Log lines that were dropped because nobody took them.';
  registry.asked({ name: 'postern_log_dropped_total', help, type: 'counter' }, droppedLines);
}

/** undefined where the system does not say. */
function openFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return undefined;
  }
}

/** How much later than asked for a timer of this process comes. */
export class LagWatch {
  readonly #lag;
  #timer: NodeJS.Timeout | undefined;

  constructor(registry: Registry) {
    const help = 'How late the event loop comes to what is due.';
    this.#lag = registry.histogram('postern_event_loop_lag_seconds', help, lagBounds, { joined: 'each' }).at();
  }

  /** Measures from now on, or no more. */
  turn(isOn: boolean): void {
    if (isOn === (this.#timer !== undefined)) return;
    clearInterval(this.#timer);
    this.#timer = isOn ? this.#measure() : undefined;
  }

  #measure(): NodeJS.Timeout {
    let due = performance.now() + lookEveryMs;
    return setInterval(() => {
      const now = performance.now();
      this.#lag?.observe(Math.max(0, now - due) / 1000);
      due = now + lookEveryMs;
    }, lookEveryMs).unref();
  }
}
