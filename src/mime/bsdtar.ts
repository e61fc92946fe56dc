/**
 * Archives by the system's bsdtar (libarchive), which knows tar with all its compressions, 7z, rar, cab, iso and more.
 * It reads what strangers have made, so each run is a process of its own within limits of processor time, memory and
 * output, which writes no file. Leaves what the names mean, and how many runs there may be, to archives.ts.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Our choices: a run's seconds of processor time, octets of memory; its milliseconds in all. */
const limits = { cpu: 2, memory: 768 << 20, ms: 10_000 } as const;

export type RunEnd =
  /** `said` are its complaints. */
  | { readonly kind: 'ended'; readonly output: Buffer; readonly said: string }
  /** It would need more time or memory than it is given, or says more. */
  | { readonly kind: 'beyond limits'; readonly why: string }
  /** The machine is too busy for it now. */
  | { readonly kind: 'late' }
  /** It is not installed, or cannot be run. */
  | { readonly kind: 'missing' };

/** An archive in a file that has no name any more: some formats are read from their end. */
export class ArchiveFile {
  readonly #file: number;

  constructor(octets: Buffer) {
    const folder = mkdtempSync(join(tmpdir(), 'postern-archive-'));
    this.#file = openSync(join(folder, 'a'), 'wx+', 0o600);
    rmSync(folder, { recursive: true });
    for (let at = 0; at < octets.length;) at += writeSync(this.#file, octets, at);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** The names, one a line. */
  list(maxOctets: number): Promise<RunEnd> {
    return this.#run(['-tf', '/dev/stdin'], { maxOctets });
  }

  /** The octets of the entry of that name. */
  entry(name: string, maxOctets: number): Promise<RunEnd> {
    return this.#run(['-xOqf', '/dev/stdin', '--', name.replace(/[\\*?[\]]/g, '\\$&')], { maxOctets });
  }

  /** The first octets of any entry: what is behind a password has none. */
  firstOctets(): Promise<RunEnd> {
    return this.#run(['-xOf', '/dev/stdin', '--passphrase', 'x'], { maxOctets: 1, cuts: true });
  }

  /** `cuts`: more output ends it, and is no fault. */
  #run(
    args: readonly string[],
    { maxOctets, cuts = false }: { readonly maxOctets: number; readonly cuts?: boolean },
  ): Promise<RunEnd> {
    const fence = [`--cpu=${limits.cpu}`, `--as=${limits.memory}`, '--fsize=0', '--core=0', '--nofile=16'];
    const child = spawn('prlimit', [...fence, '--', 'bsdtar', ...args], {
      stdio: [this.#file, 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' },
    });
    return new Promise((resolve) => {
      const output: Buffer[] = [];
      let length = 0;
      let said = '';
      const end = (how: RunEnd): void => {
        clearTimeout(late);
        child.kill('SIGKILL');
        resolve(how);
      };
      const late = setTimeout(() => end({ kind: 'late' }), limits.ms);
      const ended = (): RunEnd => ({ kind: 'ended', output: Buffer.concat(output), said });
      child.stdout?.on('data', (octets: Buffer) => {
        output.push(octets);
        length += octets.length;
        if (length <= maxOctets) return;
        end(cuts ? ended() : { kind: 'beyond limits', why: `more than ${maxOctets} octets in it` });
      });
      child.stderr?.on('data', (octets: Buffer) => (said = (said + octets.toString('latin1')).slice(-2000)));
      child.on('error', () => end({ kind: 'missing' }));
      child.on('close', (code, signal) => {
        if (code === 126 || code === 127) return end({ kind: 'missing' });
        if (signal !== null) return end({ kind: 'beyond limits', why: `takes longer than ${limits.cpu} s to read` });
        end(/memory/i.test(said) ? { kind: 'beyond limits', why: 'needs too much memory' } : ended());
      });
    });
  }
}
