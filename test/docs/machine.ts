/**
 * A machine of its own for the commands of a page: an overlay of this very system with a network of its own, in which
 * postern lies in /opt/postern, a Postfix has port 25, systemctl starts what a unit says, and DNS is a zone of its own.
 * Nothing that is done there reaches this machine, and all of it ends with the page.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/cli/package-root.js';
import { inherited } from '../support/environment.js';

/** What is run in it, one after the other; each may write files first. */
export interface Piece {
  /** `docs/first-hour.md:12` */
  readonly place: string;
  readonly script: string;
}

export interface PieceRun {
  readonly place: string;
  readonly output: string;
  readonly code: number;
}

const tools = join(packageRoot, 'test/docs/machine');
const separator = '\u0001';
const limitMs = 240_000;
const noOverlay = 75;

/**
 * Runs the pieces in order in one shell; ends with the first that fails. Undefined where this machine lets nobody make
 * an overlay of it.
 */
export async function runOnMachine(pieces: readonly Piece[]): Promise<readonly PieceRun[] | undefined> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'postern-docs-'));
  try {
    for (const name of ['root', 'upper', 'work']) mkdirSync(join(folder, name));
    const script = join(folder, 'script');
    writeFileSync(script, scriptOf(pieces));
    const output = join(folder, 'output');
    writeFileSync(output, '');
    const code = await runToItsEnd(['sh', join(tools, 'enter.sh'), folder, packageRoot, process.execPath], output);
    if (code === noOverlay) return undefined;
    return runsIn(readFileSync(output, 'utf8'), pieces);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the pieces write goes to a file: a daemon that one starts would hold a pipe open. */
function scriptOf(pieces: readonly Piece[]): string {
  const body = pieces.map(
    ({ script }, i) => `printf '${separator}%s\\n' ${i} >&3\nset -e -o pipefail\n${script}\nset +e +o pipefail\n`,
  );
  return `trap 'printf "\\001end %s\\n" $? >&3' EXIT\n${body.join('')}`;
}

async function runToItsEnd(words: readonly string[], output: string): Promise<number | null> {
  const isolated = ['--mount', '--pid', '--net', '--uts', '--ipc', '--fork', '--kill-child', ...words, output];
  const child = spawn('unshare', isolated, { stdio: 'ignore', env: inherited(), detached: true });
  const late = setTimeout(() => child.kill('SIGKILL'), limitMs);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(late);
  return code;
}

function runsIn(output: string, pieces: readonly Piece[]): readonly PieceRun[] {
  const [before = '', ...parts] = output.split(separator);
  if (parts.length === 0) return [{ place: 'the machine', output: before, code: 1 }];
  const end = /^end (\d+)\n/.exec(parts.at(-1) ?? '')?.[1];
  const ran = end === undefined ? parts : parts.slice(0, -1);
  return ran.map((part, i) => ({
    place: pieces[i]?.place ?? '',
    output: part.slice(part.indexOf('\n') + 1),
    code: i < ran.length - 1 ? 0 : Number(end ?? 124),
  }));
}
