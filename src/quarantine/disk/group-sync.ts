/**
 * Many callers, few syncs: those who ask while a sync runs share the one that begins after it. Leaves what is synced to
 * its maker.
 */

/**
 * The returned function resolves when a run of `work` that began after the call has succeeded. A caller never rides on
 * a run that began earlier: its octets may have come too late for that one.
 */
export function groupSync(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  const begin = (): Promise<void> => {
    next = undefined;
    const run = work().finally(() => {
      if (running === run) running = undefined;
    });
    running = run;
    return run;
  };

  return () => {
    if (next) return next;
    if (!running) return begin();
    next = running.then(begin, begin);
    return next;
  };
}
