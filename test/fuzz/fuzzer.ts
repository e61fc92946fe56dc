/**
 * One target fed for a while. Inputs run in batches; a batch in which code ran that never ran before is run again
 * input by input, and the inputs that reach something new join the corpus. The first input that fails is made smaller
 * and returned.
 */
import { cpuMs } from '../support/cpu.js';
import { corpusOf, keep, shown } from './corpus.js';
import { Coverage } from './coverage.js';
import { mutated, type Random, randomFrom } from './random.js';
import type { Target } from './target.js';

export interface Fuzzed {
  readonly inputs: number;
  /** How many inputs were kept, and how many stretches of code have run. */
  readonly kept: number;
  readonly covered: number;
  readonly failure?: string;
}

interface Failure {
  readonly octets: Buffer;
  readonly error: unknown;
}

/**
 * CPU milliseconds for one input of 64 KB at most, with the thread's neighbours counted in. Linear work needs some
 * ten; a square of it takes minutes.
 */
const maxCpuMs = 5_000;

/**
 * Looking which code ran costs some milliseconds, and is done once a batch. A fixed number, so that one seed feeds the
 * same inputs on a slow machine as on a fast one, only fewer of them.
 */
const inputsABatch = 256;

export interface FuzzOptions {
  readonly name: string;
  readonly target: Target;
  readonly seed: number;
  readonly ms: number;
  /** Is told each input before it runs: whoever looks on knows which one never ends. */
  readonly running: (octets: Buffer) => void;
}

export async function fuzz(options: FuzzOptions): Promise<Fuzzed> {
  const { name, target, seed, ms, running } = options;
  const random = randomFrom(seed);
  const corpus = corpusOf(name, target);
  await target.open?.();
  const coverage = new Coverage();
  let inputs = 0;
  let kept = 0;
  const run = async (octets: Buffer): Promise<Failure | undefined> => {
    inputs++;
    running(octets);
    return failureOf(target, octets);
  };
  try {
    for (const octets of corpus) {
      const failure = await run(octets);
      if (failure) return { inputs, kept, covered: coverage.size, failure: await told(options, failure) };
    }
    coverage.remember(coverage.take());
    for (const end = performance.now() + ms; performance.now() < end;) {
      const batch = Array.from({ length: inputsABatch }, () => mutated(corpus, random));
      for (const octets of batch) {
        const failure = await run(octets);
        if (failure) return { inputs, kept, covered: coverage.size, failure: await told(options, failure) };
      }
      if (coverage.take().length === 0) continue;
      for (const octets of batch) {
        await run(octets);
        const fresh = coverage.take();
        coverage.remember(fresh);
        if (fresh.length === 0) continue;
        corpus.push(octets);
        keep(name, octets, { size: corpus.length });
        kept++;
      }
    }
    return { inputs, kept, covered: coverage.size };
  } finally {
    coverage.close();
    await target.close?.();
  }
}

/** Where a stream is cut and the like is the same for the same input, so that a failure is found again. */
export async function failureOf(target: Target, octets: Buffer): Promise<Failure | undefined> {
  const began = cpuMs();
  try {
    const checked = target.check(octets, randomOf(octets));
    if (checked instanceof Promise) await checked;
    if (octets.length > 4096 && cpuMs() - began > maxCpuMs)
      throw new Error(`${octets.length} octets took ${Math.round(cpuMs() - began)} ms of CPU time`);
    return undefined;
  } catch (error) {
    return { octets, error };
  }
}

const randomOf = (octets: Buffer): Random => randomFrom(octets.reduce((sum, octet) => (sum * 31 + octet) | 0, 7));

async function told({ name, target }: FuzzOptions, failure: Failure): Promise<string> {
  const { octets, error } = await smaller(target, failure);
  keep(name, octets, { fails: true });
  const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `${shown(octets)}\n${why}\nIt is kept in test/fuzz/corpus/${name}, where npm test finds it.`;
}

const reason = ({ error }: Failure): string => String(error).split('\n', 1)[0] ?? '';

/** Takes pieces out as long as it fails in the same way, for a few seconds. */
async function smaller(target: Target, failure: Failure): Promise<Failure> {
  let least = failure;
  const end = performance.now() + 5_000;
  for (let piece = least.octets.length >> 1; piece > 0 && performance.now() < end; piece >>= 1)
    for (let at = 0; at < least.octets.length && performance.now() < end;) {
      const octets = Buffer.concat([least.octets.subarray(0, at), least.octets.subarray(at + piece)]);
      const still = await failureOf(target, octets);
      if (still && reason(still) === reason(failure)) least = still;
      else at += piece;
    }
  return least;
}
