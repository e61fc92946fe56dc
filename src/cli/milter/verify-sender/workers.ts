/** The primary process of several milter workers: holds the socket, adds up their numbers. */
import cluster, { type Worker } from 'node:cluster';
import { chmodSync, chownSync } from 'node:fs';
import type { Endpoint } from '../../../milter/endpoint.js';
import { passedSocket, removeStale, type SocketPermissions } from '../../../milter/socket.js';
import { exit } from '../../exit-codes.js';
import { openMilterLog } from '../log.js';
import { lasting, type Numbers, serveMetrics, sum } from './metrics.js';
import { announce, type CountersAnswer, type CountersQuestion, type MilterProcessOptions } from './process.js';
import { permissionsOf } from '../socket-permissions.js';
import { notifySystemd } from '../../service/notify.js';
import { keepWorkers } from '../../service/workers.js';
import { complain } from '../../complain.js';

const answerWithinMs = 500;

/** Runs until TERM or INT, or until workers cannot even start; the exit code. */
export async function superviseMilter({ config }: MilterProcessOptions): Promise<number> {
  const output = openMilterLog(config);
  const { socket, workers } = config;
  const permissions = permissionsOf(config);
  try {
    if (typeof permissions === 'string') throw new Error(permissions);
    if (socket.kind === 'unix') await removeStale(socket.path);
    const numbers = collectNumbers();
    if (config.metrics) await serveMetrics(config.metrics, numbers);
  } catch (error) {
    complain([(error as Error).message]);
    await output.close();
    return exit.unavailable;
  }
  process.umask(socket.kind === 'unix' ? 0o177 : process.umask());
  let isAnnounced = false;
  cluster.on('listening', () => {
    if (!isAnnounced || socket.kind === 'unix') setPermissions(socket, permissions);
    if (!isAnnounced) announce(output.log, (socket.kind === 'fd' && passedSocket(socket.fd)) || socket);
    isAnnounced = true;
  });
  const code = await keepWorkers({
    count: workers,
    log: output.log,
    reloadOn: ['SIGHUP', 'SIGUSR1'],
    ready: () => notifySystemd('READY=1'),
    stopping: () => notifySystemd('STOPPING=1'),
  });
  await output.close();
  return code;
}

function setPermissions(socket: Endpoint, permissions: SocketPermissions | string): void {
  if (socket.kind !== 'unix' || typeof permissions === 'string') return;
  const { mode = 0o660, uid, gid } = permissions;
  if (uid !== undefined || gid !== undefined) chownSync(socket.path, uid ?? -1, gid ?? -1);
  chmodSync(socket.path, mode);
}

/** The sum of all workers, those that are gone too; who does not answer in time counts as it did last. */
function collectNumbers(): () => Promise<Numbers> {
  const latest = new Map<number, Numbers>();
  const waiting = new Map<string, () => void>();
  let gone: Numbers = {};
  let last = 0;
  cluster.on('message', (worker: Worker, answer: CountersAnswer) => {
    if (answer.postern !== 'counters') return;
    latest.set(worker.id, answer.numbers);
    waiting.get(`${worker.id} ${answer.id}`)?.();
  });
  cluster.on('exit', (worker: Worker) => {
    gone = sum([gone, lasting(latest.get(worker.id) ?? {})]);
    latest.delete(worker.id);
  });
  const ask = (worker: Worker, id: number): Promise<void> =>
    new Promise((resolve) => {
      const key = `${worker.id} ${id}`;
      const done = (): void => {
        clearTimeout(timer);
        waiting.delete(key);
        resolve();
      };
      const timer = setTimeout(done, answerWithinMs);
      waiting.set(key, done);
      worker.send({ postern: 'counters', id } satisfies CountersQuestion, () => {});
    });
  return async () => {
    const id = ++last;
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
    await Promise.all(workers.map((worker) => ask(worker, id)));
    return sum([gone, ...latest.values()]);
  };
}
