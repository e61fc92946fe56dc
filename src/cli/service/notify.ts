/** Readiness for systemd's Type=notify. Node has no unix datagram sockets: systemd-notify(1) speaks for us. */
import { spawn } from 'node:child_process';

/** Does nothing where systemd did not start us. */
export function notifySystemd(state: string): void {
  if (!process.env['NOTIFY_SOCKET']) return;
  spawn('systemd-notify', [`--pid=${process.pid}`, state], { stdio: 'ignore' }).on('error', () => {});
}
