/** What is fuzzed: one parser, inputs to begin with, and what must hold of every input. */
import type { Random } from './random.js';

export interface Target {
  /** Octets as latin1. */
  readonly seeds: readonly string[];
  /**
   * Throws, or rejects, when something that must hold does not. `random` chooses, for example, where a stream is cut.
   */
  check(octets: Buffer, random: Random): void | Promise<void>;
  /** Makes ready what it needs, once. */
  open?(): Promise<void>;
  close?(): Promise<void>;
}

/** The octets in up to five pieces. */
export function cutUp(octets: Buffer, random: Random): readonly Buffer[] {
  const cuts = Array.from({ length: random(5) }, () => random(octets.length + 1)).toSorted((a, b) => a - b);
  return [0, ...cuts].map((start, i) => octets.subarray(start, cuts[i] ?? octets.length));
}
