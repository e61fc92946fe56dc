/** The end of a program that a test started. */
import type { ChildProcess } from 'node:child_process';

const lateMs = 10_000;

/** Ends it by TERM, and by KILL when it does not hear; resolves when it is gone. */
export async function ended(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const gone = new Promise((resolve) => daemon.once('exit', resolve));
  daemon.kill('SIGTERM');
  const late = setTimeout(() => daemon.kill('SIGKILL'), lateMs);
  await gone;
  clearTimeout(late);
}
