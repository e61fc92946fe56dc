/**
 * Where the log's lines go: standard output, and a file beside it. A reader who has stopped reading, a full disk or a
 * closed pipe costs lines, never the event loop: what is not taken waits, at most so much of it, and what is beyond is
 * dropped and counted. One write is whole lines, so several processes may share an output. Lines of which there are
 * many wait a moment for each other: what a crash costs are those of ten milliseconds.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { errorText } from './mail/error-text.js';

/** Octets that wait for a reader. */
const maxPendingOctets = 1_048_576;
const againAfterMs = 20;
const gatherMs = 10;
/** Octets that stay together in a pipe, whoever else writes to it (PIPE_BUF). */
const maxTogether = 4096;
/** At the end of the process a reader who takes nothing is waited for this long. */
const lastWordsMs = 300;
const lastPauseMs = 5;

let allDropped = 0;

/** How many lines this process has dropped. */
export const droppedLines = (): number => allDropped;

/** Whole lines, or the rest of them, that nobody has taken yet. */
interface Lines {
  readonly octets: Buffer;
  readonly count: number;
}

export class LineOutput {
  #fd: number;
  readonly #unblock: () => void;
  readonly #pending: Lines[] = [];
  #pendingOctets = 0;
  #gathered = { text: '', octets: 0, count: 0 };
  /** A timer is set, at whose end they are written. */
  #isGathering = false;
  #dropped = 0;
  #isWaiting = false;
  /** Told how many lines were dropped, when lines are taken again. */
  whenBack: (dropped: number) => void = () => {};

  /**
   * `unblock` is called before each write, and sees to it that the write does not block: whoever shares the output can
   * change that back, as Node does at the start and the end of every child.
   */
  constructor(fd: number, unblock: () => void = () => {}) {
    this.#fd = fd;
    this.#unblock = unblock;
    process.once('exit', () => this.#finish());
  }

  readonly write = (line: string): void => {
    this.#writeGathered();
    this.#write(line, Buffer.byteLength(line), 1);
  };

  /** The same a moment later, together with others. */
  readonly writeSoon = (line: string): void => {
    const octets = Buffer.byteLength(line);
    if (this.#gathered.octets + octets > maxTogether) this.#writeGathered();
    if (!this.#isGathering) setTimeout(this.#gatheredLongEnough, gatherMs).unref();
    this.#isGathering = true;
    this.#gathered.text += line;
    this.#gathered.octets += octets;
    this.#gathered.count++;
  };

  readonly #gatheredLongEnough = (): void => {
    this.#isGathering = false;
    this.#writeGathered();
  };

  #writeGathered(): void {
    const { text, octets, count } = this.#gathered;
    if (count === 0) return;
    this.#gathered = { text: '', octets: 0, count: 0 };
    this.#write(text, octets, count);
  }

  #write(text: string, octets: number, count: number): void {
    if (this.#pendingOctets > 0) this.#flush();
    const written = this.#pendingOctets > 0 ? 0 : this.#try(text);
    if (written === undefined) return this.#drop(count);
    if (written < octets) this.#keep(Buffer.from(text).subarray(written), count);
    else this.#taken();
  }

  #drop(count: number): void {
    this.#dropped += count;
    allDropped += count;
  }

  /** Goes on with another file. */
  use(fd: number): void {
    this.#writeGathered();
    const old = this.#fd;
    this.#fd = fd;
    closeSync(old);
  }

  #keep(octets: Buffer, count: number): void {
    if (this.#pendingOctets + octets.length > maxPendingOctets) return this.#drop(count);
    this.#pending.push({ octets, count });
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

  /** Writes as much as is taken now; returns the number of octets. */
  #flush(): number {
    let all = 0;
    for (let first = this.#pending[0]; first !== undefined; first = this.#pending[0]) {
      const { octets, count } = first;
      const written = this.#try(octets);
      if (written === undefined) this.#drop(count);
      const done = written ?? octets.length;
      all += written ?? 0;
      this.#pendingOctets -= done;
      if (done === octets.length) this.#pending.shift();
      else {
        this.#pending[0] = { octets: octets.subarray(done), count };
        break;
      }
    }
    return all;
  }

  /** Returns how many octets were taken; undefined where nobody will ever take them. */
  #try(line: string | Buffer): number | undefined {
    try {
      this.#unblock();
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
    this.#writeGathered();
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let waited = 0; this.#pendingOctets > 0 && waited < lastWordsMs; waited += lastPauseMs) {
      if (this.#flush() > 0) waited = 0;
      else Atomics.wait(pause, 0, 0, lastPauseMs);
    }
  }
}

/** Standard output (1) or standard error (2), so that it does not block. */
export function standardOutput(fd: 1 | 2 = 1): LineOutput {
  if (isatty(fd)) return new LineOutput(terminal(fd));
  const kind = fstatSync(fd);
  if (!kind.isFIFO() && !kind.isSocket()) return new LineOutput(fd);
  const stream = fd === 1 ? process.stdout : process.stderr;
  stream.on('error', () => {});
  const { _handle: handle } = stream as unknown as { readonly _handle?: StreamHandle };
  return new LineOutput(fd, () => handle?.setBlocking(false));
}

/** A part of node:net's internals, for Node has no fcntl(2). */
interface StreamHandle {
  setBlocking(isBlocking: boolean): void;
}

/** Opens the terminal once more: the descriptor that we have is the shell's as well. */
function terminal(fd: 1 | 2): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return fd;
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

/** Opens the log files anew after they were rotated. Where that fails, the old file stays in use; returns why. */
export function reopenLogFiles(): readonly string[] {
  return [...files].flatMap(([output, path]) => {
    try {
      output.use(openToAppend(path));
      return [];
    } catch (error) {
      return [`log_file = ${path}: ${errorText(error)}`];
    }
  });
}
