/**
 * The numbers of a service's processes: each worker counts by itself, the primary asks and adds. What a worker that is
 * gone has counted stays in the sums, so that none goes backwards.
 */
import { joined, lasting, named } from '../../metrics/join.js';
import type { Snapshot } from '../../metrics/registry.js';
import { type Channel, news, question } from '../service/channel.js';

const counting = question<undefined, Snapshot | undefined>('numbers');
/** A worker's last word. */
const counted = news<Snapshot>('last numbers');

/** It is how long a worker is waited for; one that is busy counts as it did last. */
const answerWithinMs = 500;
/** What a worker that is killed has counted since it was last asked is lost: so much at most. */
const askEveryMs = 5_000;

/** Answers the primary from now on, in a worker; returns what says the last word. */
export function tellNumbers(channel: Channel, read: () => Snapshot): () => void {
  channel.answer(counting, read);
  return () => channel.tell(counted, read());
}

/** A process that counts: a worker, or the page. */
export interface CountingChild {
  readonly channel: Channel;
}

export class WorkersNumbers {
  readonly #own: () => Snapshot;
  readonly #latest = new Map<CountingChild, { readonly worker: string; readonly snapshot: Snapshot }>();
  #gone: Snapshot = [];
  #timer: NodeJS.Timeout | undefined;

  /** `own` are the primary's. */
  constructor(own: () => Snapshot) {
    this.#own = own;
  }

  /** `worker` is the name by which its own series are told from those of others. */
  started(child: CountingChild, worker: string): void {
    this.#latest.set(child, { worker, snapshot: [] });
    child.channel.hear(counted, (snapshot) => this.#take(child, snapshot));
  }

  ended(child: CountingChild): void {
    this.#gone = joined([this.#gone, lasting(this.#latest.get(child)?.snapshot ?? [])]);
    this.#latest.delete(child);
  }

  async collect(): Promise<Snapshot> {
    await this.#askAll();
    const workers = [...this.#latest.values()].map(({ snapshot }) => snapshot);
    return joined([named('primary', this.#own()), ...workers, this.#gone]);
  }

  /** Asks now and then, also where no monitor comes: a worker that is killed cannot say a last word. */
  watch(): void {
    this.#timer ??= setInterval(() => void this.#askAll(), askEveryMs).unref();
  }

  rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #askAll(): Promise<void> {
    await Promise.all([...this.#latest.keys()].map((child) => this.#ask(child)));
  }

  async #ask(child: CountingChild): Promise<void> {
    const options = { withinMs: answerWithinMs, otherwise: undefined };
    const snapshot = await child.channel.ask(counting, undefined, options);
    if (snapshot !== undefined) this.#take(child, snapshot);
  }

  #take(child: CountingChild, snapshot: Snapshot): void {
    const worker = this.#latest.get(child)?.worker;
    if (worker !== undefined) this.#latest.set(child, { worker, snapshot: named(worker, snapshot) });
  }
}
