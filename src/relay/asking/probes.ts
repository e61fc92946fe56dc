/**
 * Remembers for a while what the MTA said of recipients when it was asked ahead. Nothing is lost when this memory is.
 * Each recipient is asked once, whoever waits for it, and while the MTA does not answer none is.
 */
import { errorText } from '../../mail/error-text.js';
import { asciiText } from '../../mail/text.js';
import type { DestinationList } from '../destination/destination.js';
import type { Probe } from './probe.js';

export interface ProbesOptions {
  /** Rejects when none of the destinations can be asked. */
  readonly ask: (recipient: string, to: DestinationList) => Promise<Probe>;
  /** Milliseconds since any fixed moment. */
  readonly now: () => number;
  /** The MTA could not be asked, and is not asked again for a moment. */
  readonly onQuiet?: (problem: string, to: DestinationList) => void;
  /** The oldest are forgotten beyond so many recipients. */
  readonly max?: number;
}

const takenMs = 3_600_000;
/** It is shorter, so that a mailbox that was just made need not wait long. */
const refusedMs = 300_000;
const quietMs = 5_000;

interface Probed {
  readonly probe: Probe;
  readonly until: number;
}

export class Probes {
  readonly #options: ProbesOptions;
  readonly #max: number;
  readonly #known = new Map<string, Probed>();
  readonly #underWay = new Map<string, Promise<Probe>>();
  /** By the texts of destinations. */
  readonly #quietUntil = new Map<string, number>();

  constructor(options: ProbesOptions) {
    this.#options = options;
    this.#max = options.max ?? 10_000;
  }

  /** Never rejects. */
  async probe(recipient: string, to: DestinationList): Promise<Probe> {
    const key = `${recipient.toLowerCase()} ${to.text}`;
    const known = this.#known.get(key);
    if (known && known.until > this.#options.now()) return known.probe;
    if (this.#isQuiet(to)) return { kind: 'unknown', problem: 'the local MTA did not answer a moment ago' };
    const asked = this.#underWay.get(key) ?? this.#ask(recipient, to, key);
    return asked;
  }

  #isQuiet({ text }: DestinationList): boolean {
    const until = this.#quietUntil.get(text);
    if (until === undefined) return false;
    if (until > this.#options.now()) return true;
    this.#quietUntil.delete(text);
    return false;
  }

  #ask(recipient: string, to: DestinationList, key: string): Promise<Probe> {
    const asked = this.#options
      .ask(recipient, to)
      .catch((error: unknown): Probe => {
        if (this.#quietUntil.size >= this.#max) this.#quietUntil.clear();
        this.#quietUntil.set(to.text, this.#options.now() + quietMs);
        const problem = asciiText(errorText(error));
        this.#options.onQuiet?.(problem, to);
        return { kind: 'unknown', problem };
      })
      .then((probe) => this.#keep(key, probe));
    this.#underWay.set(key, asked);
    return asked;
  }

  #keep(key: string, probe: Probe): Probe {
    this.#underWay.delete(key);
    this.#known.delete(key); // a Map keeps the place of a key, and the oldest shall stand first
    if (probe.kind === 'unknown') return probe;
    this.#known.set(key, { probe, until: this.#options.now() + (probe.kind === 'taken' ? takenMs : refusedMs) });
    const [oldest] = this.#known.size > this.#max ? this.#known.keys() : [];
    if (oldest !== undefined) this.#known.delete(oldest);
    return probe;
  }
}
