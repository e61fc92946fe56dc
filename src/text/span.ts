/** How long something takes or took, for people. Pure. */

const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

/** `3 hours`: in the largest unit of which there are two, else in seconds. */
export function spanText(seconds: number): string {
  const [name, size] = units.find(([, one]) => seconds >= 2 * one) ?? units[3];
  const count = Math.max(0, Math.floor(seconds / size));
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
