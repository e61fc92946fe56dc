/**
 * Where the log's lines go: standard output, and a file beside it. A reader who has stopped reading, a full disk or a
 * closed pipe costs lines, never the event loop: what is not taken waits, at most so much of it, and what is beyond is
 * dropped and counted. One write is one line, so several processes may share an output.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

/** Octets that wait for a reader. */
const maxPendingOctets = 1_048_576;
const againAfterMs = 20;
/** At the end of the process a reader who takes nothing is waited for this long. */
const lastWordsMs = 300;
const lastPauseMs = 5;

export class LineOutput {
  #fd: number;
  readonly #pending: Buffer[] = [];
  #pendingOctets = 0;
  #dropped = 0;
  #isWaiting = false;
  /** Told how many lines were dropped, when lines are taken again. */
  whenBack: (dropped: number) => void = () => {};

  /** `fd` must not block, or be of a file. */
  constructor(fd: number) {
    this.#fd = fd;
    process.once('exit', () => this.#finish());
  }

  readonly write = (line: string): void => {
    if (this.#pendingOctets > 0) this.#flush();
    if (this.#pendingOctets > 0) return this.#keep(Buffer.from(line));
    const written = this.#try(line);
    if (written === undefined) return void this.#dropped++;
    const octets = Buffer.byteLength(line);
    if (written < octets) this.#keep(Buffer.from(line).subarray(written));
    else this.#taken();
  };

  /** Goes on with another file. */
  use(fd: number): void {
    const old = this.#fd;
    this.#fd = fd;
    closeSync(old);
  }

  #keep(octets: Buffer): void {
    if (this.#pendingOctets + octets.length > maxPendingOctets) return void this.#dropped++;
    this.#pending.push(octets);
    this.#pendingOctets += octets.length;
    if (!this.#isWaiting) setTimeout(() => this.#again(), againAfterMs).unref();
    this.#isWaiting = true;
  }

  #again(): void {
    this.#isWaiting = false;
    this.#flush();
    if (this.#pendingOctets === 0) return this.#taken();
    setTimeout(() => this.#again(), againAfterMs).unref();
    this.#isWaiting = true;
  }

  /** As much as is taken now; octets. */
  #flush(): number {
    let all = 0;
    for (let first = this.#pending[0]; first !== undefined; first = this.#pending[0]) {
      const written = this.#try(first);
      if (written === undefined) this.#dropped++;
      const done = written ?? first.length;
      all += written ?? 0;
      this.#pendingOctets -= done;
      if (done === first.length) this.#pending.shift();
      else {
        this.#pending[0] = first.subarray(done);
        break;
      }
    }
    return all;
  }

  /** Octets that were taken; undefined: nobody will take them. */
  #try(line: string | Buffer): number | undefined {
    try {
      return typeof line === 'string' ? writeSync(this.#fd, line) : writeSync(this.#fd, line);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 0 : undefined;
    }
  }

  #taken(): void {
    if (this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.whenBack(dropped);
  }

  #finish(): void {
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let waited = 0; this.#pendingOctets > 0 && waited < lastWordsMs; waited += lastPauseMs) {
      if (this.#flush() > 0) waited = 0;
      else Atomics.wait(pause, 0, 0, lastPauseMs);
    }
  }
}

/**
 * Standard output, made so that it does not block. A pipe or a socket is so for all that share it; a terminal, which
 * the shell shares, is opened once more.
 */
export const standardOutput = (): LineOutput => new LineOutput(unblocked());

function unblocked(): number {
  if (isatty(1)) return terminal();
  const kind = fstatSync(1);
  // libuv sets O_NONBLOCK on what it opens: Node itself has no fcntl(2).
  if (kind.isFIFO() || kind.isSocket()) process.stdout.on('error', () => {});
  return 1;
}

function terminal(): number {
  try {
    return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return 1;
  }
}

const files = new Map<LineOutput, string>();

const openToAppend = (path: string): number => openSync(path, 'a', 0o640);

/** Throws where it cannot be opened. */
export function fileOutput(path: string): LineOutput {
  const output = new LineOutput(openToAppend(path));
  files.set(output, path);
  return output;
}

/** Log files were rotated. What cannot be opened again is gone on with as it is; why. */
export function reopenLogFiles(): readonly string[] {
  return [...files].flatMap(([output, path]) => {
    try {
      output.use(openToAppend(path));
      return [];
    } catch (error) {
      return [`log_file = ${path}: ${(error as Error).message}`];
    }
  });
}
