/** Runs `postern` commands: by what main.ts calls, in a thread of the test, or as its users do, each in a process. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { inherited } from '../../support/environment.js';
import type { Asked } from './command-thread.js';

const main = fileURLToPath(new URL('../../../src/main.js', import.meta.url));
const thread = new URL('./command-thread.js', import.meta.url);

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

export function startPostern(
  words: readonly string[],
  { env }: Pick<Surroundings, 'env'> = {},
): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [main, ...words], { env: { ...plainEnv(), ...env } });
}

function plainEnv(): Record<string, string | undefined> {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...plain } = inherited();
  return plain;
}

const idle: Worker[] = [];

/** A process for each of hundreds of commands is most of what their tests cost. */
export async function postern(words: readonly string[], { input = '', env }: Surroundings = {}): Promise<Ran> {
  const worker = idle.pop() ?? new Worker(thread, { execArgv: [] });
  worker.ref();
  const asked: Asked = { argv: words, env: { ...plainEnv(), ...env }, input: Buffer.from(input) };
  worker.postMessage(asked, []);
  const [ran] = (await once(worker, 'message')) as [Ran];
  worker.unref();
  idle.push(worker);
  return ran;
}

/** For what Node itself reads in `env`, and for what plugins may do to their process. */
export async function posternProcess(
  words: readonly string[],
  { input = '', ...where }: Surroundings = {},
): Promise<Ran> {
  const child = startPostern(words, where);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => {}); // it may have ended before it read anything
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}
