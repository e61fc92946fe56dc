/**
 * Keeps the worker processes of one service running: the first is started alone, so that what is wrong is said once;
 * one that dies, falls silent or retires is followed by another.
 */
import type { FactLog } from './fact-log.js';
import { exit } from '../exit-codes.js';
import { Child, type ChildEnd, type ChildProgram, leave, retiring, serving } from './child.js';

export interface WorkersToKeep {
  readonly count: number;
  readonly program: ChildProgram;
  readonly log: FactLog;
  /** It is how long a worker may be silent before it is killed. */
  readonly silentMs: () => number;
  /** It is called when a worker has been started, before it asks anything. */
  readonly started: (worker: Child) => void;
  readonly ended?: (worker: Child) => void;
  /** Another worker takes the place of one, and why. */
  readonly replaced?: (cause: ReplacedFor) => void;
}

/** It has died, it was killed because it did not speak, or a plugin's late mistake made it ask for it. */
export const replacedFor = ['died', 'silent', 'mistake'] as const;
export type ReplacedFor = (typeof replacedFor)[number];

const checkEveryMs = 1000;
/** How long to wait before a worker that never served is replaced; each time it is twice as long. */
const firstPauseMs = 1000;
const maxPauseMs = 30_000;
/**
 * So many retiring workers are kept for each that serves: a plugin that fails at every mail must not fill the machine.
 */
const maxRetiring = 3;

export class Workers {
  /** It resolves with undefined when the first worker serves, or with the exit code that says why none can. */
  readonly ready: Promise<number | undefined>;
  readonly #kept: WorkersToKeep;
  readonly #all = new Set<Child>();
  #tellReady: (code: number | undefined) => void = () => {};
  #everServed = false;
  #isStopping = false;
  #failures = 0;
  readonly #watch: NodeJS.Timeout;
  #checkedAt = performance.now();

  constructor(kept: WorkersToKeep) {
    this.#kept = kept;
    this.ready = new Promise((resolve) => (this.#tellReady = resolve));
    this.#watch = setInterval(() => this.#check(), checkEveryMs);
    this.#start();
  }

  get all(): readonly Child[] {
    return [...this.#all];
  }

  /** Those that take new connections and are to go on doing so. */
  get #lasting(): readonly Child[] {
    return this.all.filter(({ isRetiring }) => !isRetiring);
  }

  /** Ends all workers; those that have not ended after so long are killed. */
  async stop(withinMs: number): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#watch);
    await Promise.all(this.all.map((worker) => worker.end(withinMs)));
  }

  #start(): void {
    if (this.#isStopping || this.#lasting.length >= this.#kept.count) return;
    const worker = new Child(this.#kept.program, this.#freeNumber());
    this.#all.add(worker);
    worker.channel.hear(serving, () => this.#serves(worker));
    worker.channel.hear(retiring, () => this.#retires(worker));
    void worker.ended.then((end) => this.#ended(worker, end));
    this.#kept.started(worker);
  }

  #freeNumber(): number {
    const taken = new Set(this.all.map(({ number }) => number));
    let number = 1;
    while (taken.has(number)) number++;
    return number;
  }

  #serves(worker: Child): void {
    worker.isServing = true;
    this.#everServed = true;
    this.#failures = 0;
    const { count } = this.#kept;
    for (let i = this.#lasting.length; i < count; i++) this.#start();
    this.#tellReady(undefined);
    if (this.#lasting.some(({ isServing: isUp }) => !isUp)) return;
    for (const old of this.all) if (old.isRetiring) old.channel.tell(leave, undefined);
  }

  #retires(worker: Child): void {
    const retired = this.all.filter(({ isRetiring }) => isRetiring).length;
    if (worker.isRetiring || retired >= maxRetiring * this.#kept.count) return;
    worker.isRetiring = true;
    this.#kept.log.warn({ worker: worker.pid }, 'worker retires: another one takes its place');
    this.#kept.replaced?.('mistake');
    this.#start();
  }

  #ended(worker: Child, { code, signal }: ChildEnd): void {
    this.#all.delete(worker);
    this.#kept.ended?.(worker);
    if (this.#isStopping) return;
    const facts = { worker: worker.pid, code, signal };
    if (worker.isRetiring) return this.#kept.log.info(facts, 'worker retired');
    // Where none has ever served and none was killed, the fault is the start's, and the start's exit code tells it.
    if (!this.#everServed && signal === null) return this.#tellReady(code || exit.software);
    this.#kept.log.error(facts, 'worker died: another one takes its place');
    this.#kept.replaced?.(worker.isSilent ? 'silent' : 'died');
    if (worker.isServing) return this.#start();
    setTimeout(() => this.#start(), Math.min(firstPauseMs * 2 ** this.#failures++, maxPauseMs));
  }

  #check(): void {
    const now = performance.now();
    const wasAway = now - this.#checkedAt > 2 * checkEveryMs; // stopped, or very busy: what they said is still unread
    this.#checkedAt = now;
    const silentMs = this.#kept.silentMs();
    for (const worker of this.#all) {
      if (wasAway) worker.heardAt = now;
      if (worker.isServing && now - worker.heardAt > silentMs) this.#kill(worker);
    }
  }

  #kill(worker: Child): void {
    const doing = readDoing(worker.doing);
    const seconds = Math.round((performance.now() - worker.heardAt) / 1000);
    this.#kept.log.error({ worker: worker.pid, seconds, ...doing }, 'worker killed: its event loop does not turn');
    worker.heardAt = Infinity;
    worker.isSilent = true;
    worker.signal('SIGKILL');
  }
}

/** Reads a child's own words, which may be anything. */
function readDoing(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
