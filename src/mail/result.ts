/** What a reading comes to: a value, or what is wrong. Problems for people are whole clauses, safe to print. */
export type Result<T, P = string> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: P };

/** The Result of a reading that failed. */
export const wrong = <P>(problem: P): Result<never, P> => ({ ok: false, problem });

/** One line each: the place, the value, what would be right. */
export type Problems = readonly string[];
