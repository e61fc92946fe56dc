/** The system calls of a process, by strace. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.js';

/** Those of all its threads, or of the first alone, while `work` runs, in the order in which they ended. */
export async function traced(
  pid: number,
  calls: string,
  work: () => Promise<void>,
  threads: 'all' | 'first' = 'all',
): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-strace-'));
  const output = join(folder, 'trace');
  const follow = threads === 'all' ? ['-f'] : [];
  const words = ['-y', '-s', '200', '-e', `trace=${calls}`, '-o', output, '-p', String(pid)];
  const strace = spawn('strace', [...follow, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => strace.once('close', resolve));
  let said = '';
  strace.stderr.on('data', (octets: Buffer) => (said += octets.toString()));
  try {
    await until(() => said.includes('attached'), 'strace attaches');
    await work();
    strace.kill('SIGINT');
    await ended;
    return inOrderOfEnd(readFileSync(output, 'latin1').split('\n'));
  } finally {
    strace.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
}

/**
 * A call that another thread's interrupted is written in two lines: `fsync(5 <unfinished ...>`, `<... fsync resumed>)
 * = 0`.
 */
function inOrderOfEnd(lines: readonly string[]): string[] {
  const begun = new Map<string, string>();
  return lines.flatMap((line) => {
    const [thread = '', rest = ''] = line.split(/ +(.*)/s);
    const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(rest)?.[1];
    if (unfinished !== undefined) begun.set(thread, unfinished);
    if (unfinished !== undefined) return [];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)?.[1];
    return [resumed === undefined ? rest : `${begun.get(thread)}${resumed}`];
  });
}
