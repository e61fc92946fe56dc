/** How a process of a service is told to stop. */
import cluster from 'node:cluster';

/** TERM or INT, or, for a worker, that its primary is gone; which of them. */
export function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
    if (cluster.isWorker) process.once('disconnect', () => resolve('primary gone'));
  });
}
