/** Values that nobody can change any more, for whoever is shown them. */

/** The same value, frozen with all that is in it. Octets cannot be frozen: whoever shows them makes a copy. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value)) return value;
  const all: unknown[] = Object.values(value); // it takes longer once the value is frozen
  Object.freeze(value);
  for (const inner of all) deepFreeze(inner);
  return value;
}
