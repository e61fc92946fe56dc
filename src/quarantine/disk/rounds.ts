/**
 * Many callers, few rounds: those who come while a round runs are in the one that begins after it. Leaves what a round
 * does to its maker.
 */

/**
 * The returned function resolves with what a round of `work` has made of the item. Rounds do not overlap, and no item
 * comes into one that has begun: it might be too late for its syncs. A round that throws fails all that are in it.
 */
export function inRounds<T, R>(work: (items: readonly T[]) => Promise<readonly R[]>): (item: T) => Promise<R> {
  let waiting: T[] = [];
  let running: Promise<readonly R[]> | undefined;
  let next: Promise<readonly R[]> | undefined;

  const run = async (items: readonly T[]): Promise<readonly R[]> => {
    try {
      return await work(items);
    } finally {
      running = undefined;
    }
  };
  const begin = (): Promise<readonly R[]> => {
    const items = waiting;
    waiting = [];
    next = undefined;
    running = run(items);
    return running;
  };

  return async (item) => {
    const at = waiting.push(item) - 1;
    const round = running ? (next ??= running.then(begin, begin)) : begin();
    return (await round)[at] as R;
  };
}
