/**
 * A worker's watcher: a thread that sees whether the worker's event loop turns, and tells the primary what was asked
 * of which plugin when it does not. The file is the thread's program as well.
 */
import { writeSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { beat, doingMemory, readDoing } from '../../hooks/watched/doing.js';
import { doingFd } from '../service/child.js';

interface Watch {
  readonly watched: SharedArrayBuffer;
}

const beatEveryMs = 250;
const lookEveryMs = 500;

/** Watches until the process ends; resolves once the thread looks. */
export function watchLoop(): Promise<void> {
  const given: Watch = { watched: doingMemory };
  const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };
  const thread = new Worker(new URL(import.meta.url), { workerData: given, resourceLimits });
  setInterval(beat, beatEveryMs).unref();
  return new Promise((resolve) => {
    thread.once('message', () => {
      thread.unref();
      resolve();
    });
    thread.once('error', () => resolve()); // then a worker that hangs is killed, and nobody can say what it did
  });
}

function watch({ watched }: Watch): void {
  parentPort?.postMessage('looking', []);
  let last = -1;
  let said: string | undefined;
  setInterval(() => {
    const { beat: beats, ...doing } = readDoing(watched);
    // While the loop stands still, one plugin may follow another: who is asked last is the one that hangs.
    const now = beats === last ? JSON.stringify(doing) : undefined;
    if (now !== undefined && now !== said) writeSync(doingFd, `${now}\n`);
    said = now;
    last = beats;
  }, lookEveryMs);
}

const data = workerData as Partial<Watch> | null;
if (!isMainThread && data?.watched !== undefined) watch(data as Watch);
