/**
 * Values that may still have to come. Most are there at once, and a promise for each would cost more than the value.
 */

export type Eventual<T> = T | Promise<T>;

/** What `next` makes of the value: at once where the value is there, else behind its promise. */
export const after = <A, B>(value: Eventual<A>, next: (value: A) => Eventual<B>): Eventual<B> =>
  value instanceof Promise ? value.then(next) : next(value);
