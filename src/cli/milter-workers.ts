/** The primary process of several milter workers: holds the socket, keeps them running, passes signals on, adds up their numbers. */
import cluster, { type Worker } from 'node:cluster';
import { chmodSync, chownSync } from 'node:fs';
import type { Endpoint } from '../milter/endpoint.js';
import { passedSocket, removeStale, type SocketPermissions } from '../milter/socket.js';
import { exit } from './exit-codes.js';
import { complain } from './load.js';
import { openMilterLog } from './milter-log.js';
import { lasting, type Numbers, serveMetrics, sum } from './milter-metrics.js';
import {
  announce,
  type CountersAnswer,
  type CountersQuestion,
  type MilterProcessOptions,
  permissionsOf,
} from './milter-process.js';
import { notifySystemd } from './notify.js';

/** A worker that dies sooner than this did not get to serve. */
const tooSoonMs = 2000;
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
  cluster.schedulingPolicy = cluster.SCHED_NONE; // the kernel hands connections out
  process.umask(socket.kind === 'unix' ? 0o177 : process.umask());
  let stopping = false;
  let ready = 0;
  const started = new Map<number, number>();
  const fork = (): void => void started.set(cluster.fork().id, Date.now());
  cluster.on('listening', () => {
    ready++;
    if (ready === 1 || socket.kind === 'unix') setPermissions(socket, permissions);
    if (ready === 1) announce(output.log, (socket.kind === 'fd' && passedSocket(socket.fd)) || socket);
    if (ready === workers) notifySystemd('READY=1');
  });
  for (const signal of ['SIGHUP', 'SIGUSR1'] as const) process.on(signal, () => all(signal));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      stopping = true;
      notifySystemd('STOPPING=1');
      all('SIGTERM');
    });
  }
  for (let i = 0; i < workers; i++) fork();
  const code = await new Promise<number>((resolve) => {
    cluster.on('exit', (worker: Worker, exitCode: number, signal: string) => {
      const left = Object.keys(cluster.workers ?? {}).length;
      const lived = Date.now() - (started.get(worker.id) ?? 0);
      started.delete(worker.id);
      const facts = { worker: worker.process.pid, code: exitCode, signal };
      if (!stopping && lived > tooSoonMs) {
        output.log.error(facts, 'worker died: another one takes its place');
        return fork();
      }
      if (!stopping) output.log.error(facts, 'worker did not start');
      return left > 0 ? undefined : resolve(stopping ? exit.ok : exitCode || exit.software);
    });
  });
  await output.close();
  return code;
}

function all(signal: NodeJS.Signals): void {
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill(signal);
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
