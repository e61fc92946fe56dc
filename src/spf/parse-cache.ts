/**
 * Remembers what a text was parsed to, so that a record is parsed once however often it is asked for.
 *
 * Bounded: two generations of `limit` texts each. A full young generation becomes the old one, and
 * what is still in use moves back; no list is reordered on a hit.
 */

/** Longer texts are parsed each time: a zone full of huge records must not hold memory. */
const maxText = 4096;

export class ParseCache<T> {
  readonly #parse: (text: string) => T;
  readonly #limit: number;
  #young = new Map<string, T>();
  #old = new Map<string, T>();

  constructor(limit: number, parse: (text: string) => T) {
    this.#limit = limit;
    this.#parse = parse;
  }

  get(text: string): T {
    return this.#young.get(text) ?? this.#recall(text);
  }

  #recall(text: string): T {
    const value = this.#old.get(text) ?? this.#parse(text);
    if (text.length > maxText) return value;
    if (this.#young.size >= this.#limit) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(text, value);
    return value;
  }
}
