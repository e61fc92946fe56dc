/**
 * What systemd is told (sd_notify(3)), by the first process of a service alone: the one that is named becomes the
 * service's main process. Node has no unix datagram sockets: systemd-notify(1) speaks for us.
 */
import { spawn } from 'node:child_process';

let told = Promise.resolve();

/**
 * Tells systemd in the order of the calls: it would believe a RELOADING that came late. Does nothing where systemd did
 * not start us.
 */
export function notifySystemd(state: string): void {
  if (process.env['NOTIFY_SOCKET']) told = told.then(() => tell(state));
}

const tell = (state: string): Promise<void> =>
  new Promise((resolve) => {
    const speaker = spawn('systemd-notify', [`--pid=${process.pid}`, state], { stdio: 'ignore' });
    speaker.once('error', () => resolve());
    speaker.once('exit', () => resolve());
  });

/** Says twice in each WatchdogSec that the loop turns; nothing where systemd does not want to hear it. */
export function feedWatchdog(): NodeJS.Timeout | undefined {
  const everyMs = Number(process.env['WATCHDOG_USEC']) / 2000;
  const isMeant = [undefined, '', String(process.pid)].includes(process.env['WATCHDOG_PID']);
  if (!isMeant || !(everyMs > 0)) return undefined;
  return setInterval(() => notifySystemd('WATCHDOG=1'), everyMs).unref();
}

/** What systemd tells the first process alone: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3). */
const ofSystemd = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES'];

/** The environment of a child: a worker that spoke to systemd would become the main process. */
export const childEnvironment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !ofSystemd.includes(name))),
  ...more,
});
