/**
 * Many callers, few rounds: those who come while a round runs are in the one that begins after it. Leaves what a round
 * does to its maker.
 */

/**
 * The returned function resolves when the round of `work` that the item is in has ended. Rounds do not overlap, and no
 * item comes into one that has begun: it might be too late for its syncs. A round that fails, fails for all its items.
 */
export function inRounds<T>(work: (items: readonly T[]) => Promise<void>): (item: T) => Promise<void> {
  let waiting: T[] = [];
  let running: Promise<void> | undefined;
  /** It has not begun, though the one before it may be over by now. */
  let next: Promise<void> | undefined;

  const end = (): void => (running = undefined);
  const begin = (): Promise<void> => {
    const items = waiting;
    waiting = [];
    next = undefined;
    running = work(items);
    running.then(end, end);
    return running;
  };

  return (item) => {
    waiting.push(item);
    if (next !== undefined) return next;
    if (running === undefined) return begin();
    next = running.then(begin, begin);
    return next;
  };
}
