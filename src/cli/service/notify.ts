/** Readiness for systemd's Type=notify. Node has no unix datagram sockets: systemd-notify(1) speaks for us. */
import { spawn } from 'node:child_process';
import cluster from 'node:cluster';

/**
 * Does nothing where systemd did not start us. Workers say nothing: systemd takes the process that is named for the
 * main one, which it sends HUP, and whose end is the service's.
 */
export function notifySystemd(state: string): void {
  if (!process.env['NOTIFY_SOCKET'] || cluster.isWorker) return;
  spawn('systemd-notify', [`--pid=${process.pid}`, state], { stdio: 'ignore' }).on('error', () => {});
}
