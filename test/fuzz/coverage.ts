/** Which stretches of src have run since the last time: V8's own count, through the inspector. */
import { Session } from 'node:inspector';

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface Taken {
  readonly result: readonly {
    readonly scriptId: string;
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly Range[] }[];
  }[];
}

export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Stretches that ran now and never before. The inspector answers within the call. */
  take(): readonly string[] {
    const fresh: string[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (_: Error | null, taken?: Taken) => {
      for (const { scriptId, url, functions } of taken?.result ?? [])
        if (url.includes('/dist/src/') || url.includes('/dist/plugins/'))
          for (const { startOffset, endOffset, count } of functions.flatMap(({ ranges }) => ranges)) {
            const key = `${scriptId}:${startOffset}-${endOffset}`;
            if (count > 0 && !this.#seen.has(key)) fresh.push(key);
          }
    });
    return fresh;
  }

  remember(stretches: readonly string[]): void {
    for (const stretch of stretches) this.#seen.add(stretch);
  }

  get size(): number {
    return this.#seen.size;
  }

  close(): void {
    this.#session.disconnect();
  }
}
