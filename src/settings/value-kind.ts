/**
 * A kind of value: how its text is read, how it is written, and what to tell an operator whose text was wrong. The
 * kinds that are not postern's own are here; which setting has which kind is the schema's business.
 */
import { printable } from '../mail/text.js';
import type { Result } from '../mail/result.js';

export interface ValueKind<T> {
  /** Stands for the value in `--help`: `--max_size=SIZE`. */
  readonly label: string;
  /** What would be right, as the end of "must be …". */
  readonly right: string;
  /** Reads trimmed text that holds no control character; the problem is a whole clause ("must be …"). */
  parse(text: string): Result<T>;
  /** Text that `parse` reads back to an equal value. */
  write(value: T): string;
  /** Where a text may hold a password: what people may see of it, be it right or wrong. */
  readonly shown?: (text: string) => string;
}

/** A length of time. */
export type Milliseconds = number;
export type Octets = number;

/** Makes a kind of a function that knows only right (a value) and wrong (undefined). */
export function valueKind<T>(
  label: string,
  right: string,
  read: (text: string) => T | undefined,
  write: (value: T) => string = String,
): ValueKind<T> {
  const wrong = { ok: false, problem: `must be ${right}` } as const;
  return {
    label,
    right,
    write,
    parse: (text) => {
      const value = read(text);
      return value === undefined ? wrong : { ok: true, value };
    },
  };
}

/** The same kind, or nothing at all. */
export const optional = <T>(kind: ValueKind<T>): ValueKind<T | undefined> => ({
  label: kind.label,
  right: `empty, or ${kind.right}`,
  parse: (text) => (text === '' ? { ok: true, value: undefined } : kind.parse(text)),
  write: (value) => (value === undefined ? '' : kind.write(value)),
});

/** The same text, or ''. */
export const orEmpty = (kind: ValueKind<string>): ValueKind<string> => ({
  ...kind,
  right: `empty, or ${kind.right}`,
  parse: (text) => (text === '' ? { ok: true, value: '' } : kind.parse(text)),
});

/** A word, or a value of the kind. */
export const orWord = <const W extends string, T>(word: W, kind: ValueKind<T>): ValueKind<W | T> => ({
  label: kind.label,
  right: `${word}, or ${kind.right}`,
  parse: (text) => {
    if (text === word) return { ok: true, value: word };
    const parsed = kind.parse(text);
    return parsed.ok ? parsed : { ok: false, problem: `must be ${word}, or ${kind.right}` };
  },
  write: (value) => (value === word ? word : kind.write(value as T)),
});

/** Values of one kind behind commas or white space; an item that is a shorthand may stand for several. */
export const listOf = <T>(
  item: ValueKind<T>,
  options: { readonly atLeastOne?: boolean; readonly shorthands?: ReadonlyMap<string, readonly string[]> } = {},
): ValueKind<readonly T[]> => ({
  label: `${item.label},...`,
  right: `a list, separated by commas or spaces, where each is ${item.right}`,
  parse: (text) => {
    const words = text.split(/[\s,]+/).filter((word) => word !== '');
    const values: T[] = [];
    for (const word of words.flatMap((name) => options.shorthands?.get(name) ?? [name])) {
      const parsed = item.parse(word);
      const which = words.length > 1 ? `"${printable(word, 80)}" ` : '';
      if (!parsed.ok) return { ok: false, problem: `${which}${parsed.problem}` };
      values.push(parsed.value);
    }
    if (options.atLeastOne && values.length === 0) return { ok: false, problem: `must be ${item.right}` };
    return { ok: true, value: values };
  },
  write: (values) => values.map((value) => item.write(value)).join(', '),
});

/** One of a few words. */
export const oneOf = <const W extends string>(...words: readonly W[]): ValueKind<W> =>
  valueKind('WORD', words.join(' or '), (text) => words.find((word) => word === text));

export const yesNo: ValueKind<boolean> = valueKind(
  'yes|no',
  'yes or no',
  (text) => (text === 'yes' ? true : text === 'no' ? false : undefined),
  (value) => (value ? 'yes' : 'no'),
);

/** A whole number in a closed range. */
export const integer = (min: number, max: number): ValueKind<number> =>
  valueKind('NUMBER', `a whole number from ${min} to ${max}`, (text) =>
    inRange(/^\d{1,15}$/.test(text) ? Number(text) : undefined, min, max),
  );

const sizeUnits: readonly Unit[] = [
  ['', 1],
  ['k', 1024],
  ['m', 1024 ** 2],
  ['g', 1024 ** 3],
];

/** Octets, plain or in powers of 1024. */
export const size = (min: Octets): ValueKind<Octets> =>
  valueKind(
    'SIZE',
    `a size${min > 0 ? ` of ${writeAmount(min, sizeUnits)} or more` : ''} in octets, or with k, m or g, such as 25m`,
    (text) => inRange(readAmount(text, sizeUnits), min, Number.MAX_SAFE_INTEGER),
    (value) => writeAmount(value, sizeUnits),
  );

const durationUnits: readonly Unit[] = [
  ['ms', 1],
  ['s', 1000],
  ['', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
];

/** Written in seconds or with a unit; the value is in milliseconds. */
export const duration = (min: Milliseconds, max: Milliseconds): ValueKind<Milliseconds> =>
  valueKind(
    'DURATION',
    `a duration from ${writeDuration(min)} to ${writeDuration(max)} in seconds, or with ms, s, m, h or d, such as 30s`,
    (text) => inRange(readAmount(text, durationUnits), min, max),
    writeDuration,
  );

/** How old something may become: always with its unit, as a plain number of seconds would be taken for days. Or 0. */
export const age = (max: Milliseconds): ValueKind<Milliseconds> =>
  valueKind(
    'DURATION',
    `0, or a duration of at most ${writeDuration(max)} with its unit, s, m, h or d, such as 30d`,
    (text) => (/^(?:0+|\d+[smhd])$/i.test(text) ? inRange(readAmount(text, durationUnits), 0, max) : undefined),
    writeDuration,
  );

const writeDuration = (value: Milliseconds): string =>
  writeAmount(
    value,
    durationUnits.filter(([unit]) => unit !== ''),
  );

type Unit = readonly [unit: string, factor: number];

function readAmount(text: string, units: readonly Unit[]): number | undefined {
  const m = /^(\d{1,15})([a-z]*)$/i.exec(text);
  const factor = units.find(([unit]) => unit === m?.[2]?.toLowerCase())?.[1];
  return m && factor !== undefined ? Number(m[1]) * factor : undefined;
}

/** Writes it in the largest unit that leaves no remainder. */
function writeAmount(value: number, units: readonly Unit[]): string {
  const [unit, factor] = units.findLast(([, f]) => value % f === 0 && value >= f) ?? ['', 1];
  return `${value / factor}${unit}`;
}

const inRange = (value: number | undefined, min: number, max: number): number | undefined =>
  value !== undefined && value >= min && value <= max ? value : undefined;
