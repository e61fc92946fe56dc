/**
 * One process that a service has started of this program: its channel, its ports, whether it still speaks, and its
 * end. How many there are, and what follows one that ended, is the business of workers.ts.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { Channel, news } from './channel.js';
import { childEnvironment } from './notify.js';
import type { Port } from './ports.js';

/** A child serves: it says so once. */
export const serving = news('serving');
/** A child's event loop turns: it says so each second. */
export const turning = news('turning');
/** A child wants to be replaced: it serves until another one does, and finishes what it has. */
export const retiring = news('retiring');
/** Log files were rotated. */
export const rotated = news('rotated');
/** Another child serves: this one may go. */
export const leave = news('leave');

/** The environment variable that makes a process a child of a service; its value means nothing. */
export const childSign = 'SERVICE_CHILD';

/** Descriptors of a child: 3 is its channel, on 4 it says what it is doing, and its ports follow. */
export const doingFd = 4;
export const firstPortFd = 5;

/**
 * Threads in which a child waits for the disk. Syncs that wait at once share one commit of the file system's journal,
 * so there are more of them than the four that Node has.
 */
const diskThreads = '16';

export interface ChildProgram {
  /** The command-line words behind the program's name. */
  readonly argv: readonly string[];
  readonly ports: readonly Port[];
}

export interface ChildEnd {
  /** `null` where a signal ended it, as Node says it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Child {
  readonly number: number;
  readonly channel: Channel;
  readonly ended: Promise<ChildEnd>;
  isServing = false;
  isRetiring = false;
  /** It was killed because it did not speak any more. */
  isSilent = false;
  isGone = false;
  /** When the child last said that its loop turns, by performance.now(). */
  heardAt = performance.now();
  /** What it was doing when its loop had not turned for a second, as JSON of its own. */
  doing = '';
  readonly #process: ChildProcess;

  /** `number` tells it from the others that run. */
  constructor({ argv, ports }: ChildProgram, number = 1) {
    this.number = number;
    this.#process = fork(process.argv[1] ?? '', argv, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe', ...ports.map(({ fd }) => fd)],
      env: { UV_THREADPOOL_SIZE: diskThreads, ...childEnvironment({ [childSign]: '1' }) },
      execArgv: [...process.execArgv, ...withoutInspector],
    });
    this.channel = new Channel(this.#process);
    this.channel.hear(turning, () => (this.heardAt = performance.now()));
    this.#hearDoing(this.#process.stdio[doingFd] as Socket | null | undefined);
    this.ended = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => {
        this.isGone = true;
        resolve({ code, signal });
      });
      this.#process.on('error', () => this.#process.pid === undefined && resolve({ code: null, signal: null }));
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Asks it to end, and makes it end after so long. */
  async end(withinMs: number): Promise<void> {
    this.signal('SIGTERM');
    const late = setTimeout(() => this.signal('SIGKILL'), withinMs);
    await this.ended;
    clearTimeout(late);
  }

  /** One line each time; the newest counts. */
  #hearDoing(pipe: Socket | null | undefined): void {
    pipe?.on('error', () => {});
    pipe?.on('data', (octets: Buffer) => (this.doing = octets.toString('utf8').trimEnd().split('\n').at(-1) ?? ''));
  }
}

/** Node 24 can be told not to listen to USR1 at all; before the handler is there it would open the inspector. */
const withoutInspector = process.allowedNodeEnvironmentFlags.has('--disable-sigusr1') ? ['--disable-sigusr1'] : [];
