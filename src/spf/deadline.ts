/**
 * The time limit of one evaluation (RFC 7208 §4.6.4: "at least 20 seconds"), and its cancellation.
 *
 * Costs nothing while every answer is known already: the clock starts with the first answer that has
 * to be waited for, and the signal for the resolver is made when the resolver first asks for it.
 */
import type { DnsAnswer } from '../dns/resolver.js';
import { errorText } from '../mail/error-text.js';

/** The longest time a timer can be set for. */
const maxTimerMs = 2 ** 31 - 1;

export interface DeadlineSettings {
  /** Milliseconds of the limit that are gone already; none by default. */
  readonly spentMs?: number;
  readonly now?: () => number;
  /** It cancels the evaluation from outside, and is looked at when there is something to wait for. */
  readonly signal?: AbortSignal;
}

export class EvaluationDeadline {
  /** Why the evaluation has to end; undefined while it may go on. */
  problem: string | undefined = undefined;
  readonly #totalMs: number;
  readonly #settings: DeadlineSettings;
  #controller: AbortController | undefined = undefined;
  #running: RunningClock | undefined = undefined;

  constructor(totalMs: number, settings: DeadlineSettings) {
    this.#totalMs = totalMs;
    this.#settings = settings;
  }

  /** It is aborted when the time is over. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /** Waits for an answer, but not beyond the limit: `problem` is set when it has passed. Never rejects. */
  async wait(answer: Promise<DnsAnswer<unknown>>): Promise<DnsAnswer<unknown>> {
    const running = (this.#running ??= this.#start());
    const settled = await Promise.race([answer.catch(failedAnswer), running.over]);
    if (this.#now() >= running.end) running.expire();
    return settled;
  }

  /** Releases timer and listener; to be called when the evaluation ends. */
  stop(): void {
    if (!this.#running) return;
    clearTimeout(this.#running.timer);
    this.#settings.signal?.removeEventListener('abort', this.#running.cancel);
  }

  #now(): number {
    return (this.#settings.now ?? Date.now)();
  }

  #start(): RunningClock {
    const { spentMs = 0, signal } = this.#settings;
    const leftMs = Math.max(0, this.#totalMs - spentMs);
    let giveUp: (answer: DnsAnswer<never>) => void = () => {};
    const over = new Promise<DnsAnswer<never>>((resolve) => {
      giveUp = resolve;
    });
    const end = (problem: string): void => {
      if (this.problem !== undefined) return;
      this.problem = problem;
      this.#controller?.abort();
      giveUp({ kind: 'failed', problem });
    };
    const expire = (): void => end(`no result within ${secondsText(this.#totalMs)}`);
    const cancel = (): void => end('the evaluation was cancelled');
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
    const timer = setTimeout(expire, Math.min(leftMs, maxTimerMs));
    return { end: this.#now() + leftMs, timer, over, expire, cancel };
  }
}

/** A clock that has started. */
interface RunningClock {
  /** When the time is over, by the clock of the settings. */
  readonly end: number;
  readonly timer: ReturnType<typeof setTimeout>;
  /** Settles when the evaluation has to end. */
  readonly over: Promise<DnsAnswer<never>>;
  readonly expire: () => void;
  readonly cancel: () => void;
}

/** A resolver does not throw or reject; one that does has failed. */
export function failedAnswer(error: unknown): DnsAnswer<never> {
  return { kind: 'failed', problem: errorText(error) };
}

const secondsText = (ms: number): string => `${ms / 1000} ${ms === 1000 ? 'second' : 'seconds'}`;
