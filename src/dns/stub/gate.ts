/**
 * A bound on how much goes on at once: the others wait in line. Keeps a slow name server from using up
 * the file descriptors that connections and the quarantine need.
 */
export interface Gate {
  /** True once it is our turn, and then `leave` must follow; false when the signal was aborted before. */
  enter(signal: AbortSignal): boolean | Promise<boolean>;
  leave(): void;
  /** True when there was a place at once, and then `leave` must follow as well. */
  tryEnter(): boolean;
}

export function gate(max: number): Gate {
  const line = new Set<() => void>();
  let inside = 0;

  function waitInLine(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (entered: boolean): void => {
        line.delete(admit);
        signal.removeEventListener('abort', giveUp);
        resolve(entered);
      };
      const admit = (): void => settle(true);
      const giveUp = (): void => settle(false);
      line.add(admit);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  function tryEnter(): boolean {
    if (inside >= max) return false;
    inside++;
    return true;
  }

  return {
    tryEnter,
    enter: (signal) => !signal.aborted && (tryEnter() || waitInLine(signal)),
    /** The place goes to the first in line, if there is one. */
    leave() {
      const [first] = line;
      if (first) first();
      else inside--;
    },
  };
}
