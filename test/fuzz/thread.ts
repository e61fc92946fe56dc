/** The thread in which one target is fed. */
import { parentPort, workerData } from 'node:worker_threads';
import { fuzz } from './fuzzer.js';
import { targets } from './targets.js';

export interface ThreadData {
  readonly name: string;
  readonly seed: number;
  readonly ms: number;
  /** How many inputs have begun, the length of the last one, and its octets: readable while the thread is stuck. */
  readonly progress: Int32Array<SharedArrayBuffer>;
  readonly input: Uint8Array<SharedArrayBuffer>;
}

const { name, seed, ms, progress, input } = workerData as ThreadData;
const target = targets[name];
if (!target) throw new Error(`no target ${name}`);

const running = (octets: Buffer): void => {
  input.set(octets.subarray(0, input.length));
  Atomics.store(progress, 1, octets.length);
  Atomics.add(progress, 0, 1);
};
const result = await fuzz({ name, target, seed, ms, running });
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
parentPort?.postMessage(result);
