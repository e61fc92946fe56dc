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

/** Aborts after `ms` milliseconds, or as soon as `parent` does. */
export function deadline(ms: number, parent?: AbortSignal): LookupDeadline {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(timedOut), Math.min(ms, maxTimerMs));
  const follow = (): void => controller.abort(parent?.reason);
  if (parent?.aborted) follow();
  parent?.addEventListener('abort', follow, { once: true });
  const end = (): void => {
    clearTimeout(timer);
    parent?.removeEventListener('abort', follow);
    controller.abort(done);
  };
  return { signal: controller.signal, end };
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
