/**
 * Do all MTAs behind offer delivery status notifications (RFC 3461)? The primary asks each when it starts, when it is
 * told of another, and every few minutes, and tells its workers. Leaves what is offered to the session.
 */
import { interview } from '../../relay/asking/interview.js';
import { type Destination, everyDestination, readDestinations } from '../../relay/destination/destination.js';
import type { Settings } from '../../settings/settings.js';
import type { DsnOffer } from '../../smtp/services.js';
import { openingOf } from '../relay/relaying.js';
import { type Channel, news, question } from '../service/channel.js';
import type { Child } from '../service/child.js';
import { makeResolver } from '../wire.js';

const offering = news<boolean>('dsn offered');
/** It is asked by a worker that has just started, and heard no news. */
const isOfferedNow = question<undefined, boolean | undefined>('is dsn offered');
/** The text of a list. */
const meeting = news<string>('destinations met');

const againMs = 300_000;
const askWithinMs = 10_000;
/** Lists of which a worker remembers that it has told of them. */
const maxTold = 10_000;
/** So many are asked at once. */
const atOnce = 4;

export interface DsnWatchParts {
  readonly settings: () => Settings;
  readonly workers: () => readonly Child[];
}

export class DsnWatch {
  readonly #parts: DsnWatchParts;
  /** Destinations of domains, by their texts. */
  readonly #met = new Map<string, Destination>();
  /** What each said last; one that does not answer says nothing. */
  readonly #offers = new Map<string, boolean>();
  #isOffered = false;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> | undefined;
  #isClosed = false;

  constructor(parts: DsnWatchParts) {
    this.#parts = parts;
  }

  /** A worker has started. */
  serve(worker: Child): void {
    worker.channel.hear(meeting, (text) => {
      const list = readDestinations(text);
      if (list.ok && this.#meet(everyDestination(list.value))) this.#askSoon(0);
    });
    worker.channel.answer(isOfferedNow, () => this.#isOffered);
  }

  /** All destinations of domains there are; those from before that are none of them are forgotten. */
  use(destinations: readonly string[]): void {
    this.#met.clear();
    for (const text of destinations) {
      const list = readDestinations(text);
      if (list.ok) this.#meet(everyDestination(list.value));
    }
    this.#askSoon(0);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Is one of them new? */
  #meet(destinations: readonly Destination[]): boolean {
    const before = this.#met.size;
    for (const one of destinations) this.#met.set(one.text, one);
    return this.#met.size > before;
  }

  #askSoon(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#askInTurn(), ms).unref();
  }

  async #askInTurn(): Promise<void> {
    await this.#asking;
    this.#asking = this.#askAll();
    await this.#asking;
    this.#askSoon(againMs);
  }

  async #askAll(): Promise<void> {
    const settings = this.#parts.settings();
    const all = new Map([...everyDestination(settings.relay), ...this.#met.values()].map((one) => [one.text, one]));
    const left = [...all.values()];
    const work = async (): Promise<void> => {
      for (let one = left.shift(); one && !this.#isClosed; one = left.shift()) await this.#ask(one, settings);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    for (const text of this.#offers.keys()) if (!all.has(text)) this.#offers.delete(text);
    this.#tell([...all.keys()].every((text) => this.#offers.get(text) === true));
  }

  async #ask(destination: Destination, settings: Settings): Promise<void> {
    const resolver = makeResolver(settings);
    if (!resolver.ok) return;
    const opening = openingOf(settings, resolver.value);
    const heard = await interview({ ...opening, destination, timeoutMs: askWithinMs, recipients: [] });
    if (heard.ok) this.#offers.set(destination.text, heard.value.extensions.has('DSN'));
  }

  #tell(isOffered: boolean): void {
    if (isOffered === this.#isOffered) return;
    this.#isOffered = isOffered;
    for (const { channel } of this.#parts.workers()) channel.tell(offering, isOffered);
  }
}

/**
 * The worker's side: what the primary said last, and a word to it of each list that it may not know, or no longer since
 * it has read the settings anew: those of plugins are in none.
 */
export function dsnOfPrimary(channel: Channel): DsnOffer {
  const toldAt = new Map<string, number>();
  let isOffered = false;
  const take = (offered = isOffered): void => void (isOffered = offered);
  channel.hear(offering, take);
  void channel.ask(isOfferedNow, undefined, { withinMs: askWithinMs, otherwise: undefined }).then(take);
  return {
    get isOffered() {
      return isOffered;
    },
    met({ text }) {
      const now = performance.now();
      if (now - (toldAt.get(text) ?? -Infinity) < againMs) return;
      if (toldAt.size >= maxTold) toldAt.clear();
      toldAt.set(text, now);
      channel.tell(meeting, text);
    },
  };
}
