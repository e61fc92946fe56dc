/** Seconds, as other programs count, in the units that postern's settings have: 3024000 is 35d. */
const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
] as const;

/** What is no number of seconds comes out as it would be refused: `NaNs`. */
export function timeText(seconds: number): string {
  const whole = Math.round(seconds);
  const [unit, length] = units.find(([, each]) => whole > 0 && whole % each === 0) ?? ['s', 1];
  return `${whole / length}${unit}`;
}
