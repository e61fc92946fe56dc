/** Waiting in tests, never for ever: what does not happen in time is a failure that says so. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Far more than anything takes on a busy machine, and less than a test may be silent (limits.ts). */
export const patience = 90_000;

/** Waits until something is so. */
export async function until(isSo: () => boolean, what = String(isSo)): Promise<void> {
  for (const late = Date.now() + patience; !isSo();) {
    if (Date.now() > late) throw new Error(`not within ${patience} ms: ${what}`);
    await sleep(5);
  }
}

/** The promise, or a failure when it takes too long. */
export async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`not within ${patience} ms: ${what}`)), patience);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
