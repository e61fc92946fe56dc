/** Runs a `postern` command as its users do, in a process of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inherited } from '../../support/environment.js';

const main = fileURLToPath(new URL('../../../src/main.js', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export function startPostern(
  words: readonly string[],
  { env, cwd }: Omit<Surroundings, 'input'> = {},
): ChildProcessWithoutNullStreams {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...plain } = inherited();
  return spawn(process.execPath, [main, ...words], { env: { ...plain, ...env }, ...(cwd !== undefined && { cwd }) });
}

export async function postern(words: readonly string[], { input = '', ...where }: Surroundings = {}): Promise<Ran> {
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
