/** Runs a `postern` command as its users do, in a process of its own. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inherited } from '../../support/environment.js';
import type { Ran } from './spf-command.js';

const main = fileURLToPath(new URL('../../../src/main.js', import.meta.url));

export async function postern(
  words: readonly string[],
  { input = '', cwd }: { readonly input?: string | Buffer; readonly cwd?: string } = {},
): Promise<Ran> {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...env } = inherited();
  const child = spawn(process.execPath, [main, ...words], { env, ...(cwd !== undefined && { cwd }) });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => {}); // it may have ended before it read anything
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}
