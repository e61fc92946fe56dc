/**
 * Time limits of look-ups: an AbortSignal that also follows its caller's, and leaves no timer behind.
 */
import type { DnsAnswer } from './resolver.js';

export interface LookupDeadline {
  readonly signal: AbortSignal;
  /** Must be called when the work is done: stops the timer, lets go of the caller's signal, aborts what still runs. */
  end(): void;
}

const timedOut = Symbol('timed out');
const done = Symbol('done');
const maxTimerMs = 0x7fffffff;

/**
 * Aborts `ms` milliseconds after the signal is first asked for, or as soon as `parent` does. Nothing is made before
 * that: an answer that is there at once needs no signal.
 */
export function deadline(ms: number, parent?: AbortSignal): LookupDeadline {
  return new SignalOnDemand(ms, parent);
}

class SignalOnDemand implements LookupDeadline {
  readonly #ms: number;
  readonly #parent: AbortSignal | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number, parent: AbortSignal | undefined) {
    this.#ms = Math.min(ms, maxTimerMs);
    this.#parent = parent;
  }

  get signal(): AbortSignal {
    return (this.#controller ?? this.#begin()).signal;
  }

  #begin(): AbortController {
    const controller = (this.#controller = new AbortController());
    this.#timer = setTimeout(() => controller.abort(timedOut), this.#ms);
    if (this.#parent?.aborted) this.#follow();
    this.#parent?.addEventListener('abort', this.#follow, { once: true });
    return controller;
  }

  readonly #follow = (): void => this.#controller?.abort(this.#parent?.reason);

  end(): void {
    clearTimeout(this.#timer);
    this.#parent?.removeEventListener('abort', this.#follow);
    this.#controller?.abort(done);
  }
}

/** Why a signal was aborted, in words for a log. */
export function abortProblem({ reason }: AbortSignal): string {
  const late = reason === timedOut || (reason instanceof DOMException && reason.name === 'TimeoutError');
  return late ? 'timed out' : 'aborted';
}

/** The answer, or `failed` as soon as the signal is aborted; the work behind the promise goes on. */
export function untilAborted<T>(answer: Promise<DnsAnswer<T>>, signal?: AbortSignal): Promise<DnsAnswer<T>> {
  if (!signal) return answer;
  return new Promise((resolve) => {
    const onAbort = (): void => resolve({ kind: 'failed', problem: abortProblem(signal) });
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const settle = (value: DnsAnswer<T>): void => {
      signal.removeEventListener('abort', onAbort);
      resolve(value);
    };
    answer.then(settle, () => settle({ kind: 'failed', problem: 'resolver error' }));
  });
}
