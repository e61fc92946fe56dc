/** Reads the arguments of a plugin that have the form `name=value`. */

/** Reads the value of an argument; undefined when it is wrong. */
export interface ArgumentKind<T> {
  /** For the complaint: "must be …". */
  readonly right: string;
  read(text: string): T | undefined;
}

/**
 * The values of all arguments that there are, those not given from `defaults`. Throws what is wrong, for the start's
 * complaint.
 */
export function readArguments<T extends object>(
  args: readonly string[],
  kinds: { readonly [K in keyof T]: ArgumentKind<T[K]> },
  defaults: T,
): T {
  const values = { ...defaults };
  const given = new Set<string>();
  for (const arg of args) {
    const [, name = arg, text = ''] = /^([^=]*)=(.*)$/.exec(arg) ?? [];
    if (!Object.hasOwn(kinds, name)) throw new Error(`"${arg}": the arguments are ${Object.keys(kinds).join('=, ')}=`);
    if (given.has(name)) throw new Error(`"${arg}": ${name} is given twice`);
    given.add(name);
    const kind = kinds[name as keyof T];
    const value = kind.read(text);
    if (value === undefined) throw new Error(`"${arg}": ${name} must be ${kind.right}`);
    values[name as keyof T] = value;
  }
  return values;
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds. */
export const time: ArgumentKind<number> = {
  right: 'a time, such as 90s, 5m, 2h or 36d',
  read(text) {
    const [, digits = '', unit = ''] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
    const factor = units[unit];
    return factor === undefined ? undefined : Number(digits) * factor;
  },
};

export const count: ArgumentKind<number> = {
  right: 'a whole number from 1 to 999999',
  read: (text) => (/^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined),
};

/** The longest unit that leaves no remainder, for what a client reads. */
export function timeText(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  const minutes = Math.ceil(seconds / 60);
  if (seconds < 120) return seconds === 1 ? '1 second' : `${seconds} seconds`;
  return minutes < 120 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} hours`;
}
