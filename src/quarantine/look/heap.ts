/** A priority queue: the greatest first. */
export class Heap<T> {
  readonly #items: T[] = [];
  readonly #isBefore: (a: T, b: T) => boolean;

  /** `isBefore(a, b)`: must `a` come out before `b`? */
  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  push(item: T): void {
    let at = this.#items.length;
    this.#items.push(item);
    for (let up = (at - 1) >> 1; at > 0 && this.#isBefore(item, this.#at(up)); up = (at - 1) >> 1) {
      this.#items[at] = this.#at(up);
      at = up;
    }
    this.#items[at] = item;
  }

  pop(): T | undefined {
    const top = this.#items[0];
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) this.#sink(last);
    return top;
  }

  #sink(item: T): void {
    const { length } = this.#items;
    let at = 0;
    for (let down = 1; down < length; down = 2 * at + 1) {
      if (down + 1 < length && this.#isBefore(this.#at(down + 1), this.#at(down))) down++;
      if (!this.#isBefore(this.#at(down), item)) break;
      this.#items[at] = this.#at(down);
      at = down;
    }
    this.#items[at] = item;
  }

  #at(i: number): T {
    return this.#items[i] as T;
  }
}
