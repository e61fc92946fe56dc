/** Runs `postern spf` as its users do, in a process of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../../src/main.js', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

export function startSpf(words: readonly string[], env: Surroundings['env'] = {}): ChildProcessWithoutNullStreams {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...inherited } = process.env;
  return spawn(process.execPath, [...process.execArgv, main, 'spf', ...words], { env: { ...inherited, ...env } });
}

export async function spf(words: readonly string[], { input = '', env = {} }: Surroundings = {}): Promise<Ran> {
  const child = startSpf(words, env);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => {}); // it may have ended before it read anything
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}

/** The zone of the tests below, in a file. */
export interface ZoneFile {
  readonly path: string;
  remove(): void;
}

export function zoneFile(zone: unknown): ZoneFile {
  const folder = mkdtempSync(join(tmpdir(), 'postern-spf-'));
  const path = join(folder, 'zone.json');
  writeFileSync(path, typeof zone === 'string' ? zone : JSON.stringify(zone));
  return { path, remove: () => rmSync(folder, { recursive: true }) };
}

/** No octet that a terminal obeys, beside line feeds. */
export const isSafe = (text: string): boolean => !/[^\P{C}\n]/u.test(text);
