/**
 * A set of objects that come and go, such as connections. It is no Set, for one keeps those that have gone: V8 makes it
 * a new table with every few that come, and an old table, once it has survived some garbage collections, holds what
 * was in it and all tables after it until everything is collected. Each connection, with all that belongs to it, would
 * be moved to the old generation before it is found to be garbage.
 */
export class Living<T extends object> implements Iterable<T> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** Adds what is no member yet. */
  add(member: T): void {
    this.#members.push(member);
  }

  /** Returns false for what is no member. Most that go came lately. */
  delete(member: T): boolean {
    const at = this.#members.lastIndexOf(member);
    if (at < 0) return false;
    const last = this.#members.pop();
    if (last !== undefined && last !== member) this.#members[at] = last;
    return true;
  }

  /** Those that are members now, in no order; they may go meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return this.#members.slice()[Symbol.iterator]();
  }
}
