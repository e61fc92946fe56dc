/**
 * `npm run fuzz -- [TARGET…] [SECONDS] [seed=N]`: feeds random inputs to parsers, all of them without a name, each for
 * so many seconds (60), as many at once as there are cores. Inputs that reach new code, and the one that fails, are
 * added to test/fuzz/corpus. The same seed feeds the same inputs: what must pass for a commit says one, whoever looks
 * for new faults says none.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { keep, shown } from './corpus.js';
import type { Fuzzed } from './fuzzer.js';
import { targets } from './targets.js';
import type { ThreadData } from './thread.js';

/** An input that takes longer never ends: linear work on the largest takes milliseconds. */
const maxInputMs = 100_000;

const seedWord = process.argv.find((word) => /^seed=\d+$/.test(word));
const words = process.argv.slice(2).filter((word) => word !== seedWord);
const seed = seedWord === undefined ? Date.now() >>> 0 : Number(seedWord.slice('seed='.length)) >>> 0;
const seconds = Number(words.find((word) => /^\d+$/.test(word)) ?? 60);
const asked = words.filter((word) => !/^\d+$/.test(word));
const unknown = asked.filter((name) => !(name in targets));
if (unknown.length > 0) {
  process.stderr.write(`no target ${unknown.join(', ')}; there are: ${Object.keys(targets).join(' ')}\n`);
  process.exit(2);
}

const queue = asked.length > 0 ? [...asked] : Object.keys(targets);
let failed = 0;
await Promise.all(Array.from({ length: Math.min(availableParallelism(), queue.length) }, lane));
process.exitCode = failed > 0 ? 1 : 0;

async function lane(): Promise<void> {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const { inputs, kept, covered, failure } = await fed(name);
    if (failure !== undefined) failed++;
    const how =
      failure === undefined ? `${inputs} inputs, ${kept} kept, ${covered} stretches of code` : `FAILED: ${failure}`;
    process.stdout.write(`${name.padEnd(13)} ${how}\n`);
  }
}

function fed(name: string): Promise<Fuzzed> {
  const progress = new Int32Array(new SharedArrayBuffer(8));
  const input = new Uint8Array(new SharedArrayBuffer(1 << 17));
  const workerData: ThreadData = { name, seed, ms: seconds * 1000, progress, input };
  const worker = new Worker(new URL('thread.js', import.meta.url), { workerData });
  return new Promise((resolve) => {
    let seen = -1;
    let since = performance.now();
    const none = { inputs: 0, kept: 0, covered: 0 };
    const over = (result: Fuzzed): void => {
      clearInterval(timer);
      resolve(result);
    };
    const timer = setInterval(() => {
      const begun = Atomics.load(progress, 0);
      if (begun !== seen) [seen, since] = [begun, performance.now()];
      if (begun === 0 || performance.now() - since < maxInputMs) return;
      const octets = Buffer.from(input.slice(0, Atomics.load(progress, 1)));
      keep(name, octets, { fails: true });
      void worker.terminate();
      over({ ...none, failure: `an input does not end: ${shown(octets)}` });
    }, 500);
    worker.once('message', over);
    worker.once('error', (error) => over({ ...none, failure: error.stack ?? error.message }));
    worker.once('exit', (code) => over({ ...none, failure: `the thread ended with ${code}` }));
  });
}
