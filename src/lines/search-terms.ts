/**
 * The search language, as far as it is the same for all that is searched: words, `key:value`, `"two words"`, `-not`,
 * days, and the pattern that a line must meet before anybody looks closer. Which keys there are is the business of
 * whoever searches.
 */
import { printable } from '../mail/text.js';

export interface SearchTerm<K extends string> {
  readonly key: K | 'any';
  readonly value: string;
  readonly not: boolean;
}

/** A longer search is refused. */
const maxSearch = 1_000;

/**
 * Yields words with an optional `-` and `key:`, whose value may stand in quotes; or a text that says what is wrong.
 * `keys` are those that may stand before the colon.
 */
export function* termsOf<K extends string>(
  text: string,
  keys: Readonly<Record<K, string>>,
): Generator<SearchTerm<K> | string> {
  if (text.length > maxSearch) {
    yield 'the search is too long';
    return;
  }
  for (const [, minus, key = '', quoted, bare] of text.matchAll(
    /(-?)(?:([a-z]+(?:-[a-z]+)*):)?(?:"([^"]*)"?|(\S+))/gi,
  )) {
    const name = key.toLowerCase();
    const value = (quoted ?? bare ?? '').normalize('NFC');
    if (key !== '' && !Object.hasOwn(keys, name)) {
      yield `there is no key ${printable(key, 40)}:; the keys are ${Object.keys(keys).join(', ')}`;
    } else if (value !== '') yield { key: key === '' ? 'any' : (name as K), value, not: minus === '-' };
  }
}

/** A span of time, in milliseconds: not before `after`, before `before`. */
export interface SearchSpan {
  after?: number;
  before?: number;
}

/** Narrows the span; returns what is wrong. */
export function takeDate(
  span: SearchSpan,
  { key, value, not }: SearchTerm<'after' | 'before'>,
  now: Date,
): string | undefined {
  const time = momentOf(value, now);
  if (time === undefined || not)
    return `${key}: needs a day, such as ${key}:2026-11-20, ${key}:yesterday or ${key}:7d, or a time: ${key}:2026-11-20T14:30`;
  if (key === 'after') span.after = Math.max(time, span.after ?? -Infinity);
  else span.before = Math.min(time, span.before ?? Infinity);
  return undefined;
}

const hourMs = 3_600_000;

/** The first moment of a day, or of a minute (local time); with h, so many hours ago. */
function momentOf(text: string, now: Date): number | undefined {
  const word = text.toLowerCase();
  const hours = /^(\d{1,4})h$/.exec(word)?.[1];
  if (hours !== undefined) return now.getTime() - Number(hours) * hourMs;
  const ago = /^(\d{1,4})d$/.exec(word)?.[1] ?? { today: '0', yesterday: '1' }[word];
  if (ago !== undefined) return new Date(now.getFullYear(), now.getMonth(), now.getDate() - Number(ago)).getTime();
  const [, year, month, day, hour = 0, minute = 0] =
    /^(\d{4})-(\d{1,2})-(\d{1,2})(?:t([01]?\d|2[0-3]):([0-5]\d))?$/.exec(word) ?? [];
  if (year === undefined) return undefined;
  const date = new Date(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute));
  return date.getDate() === Number(day) ? date.getTime() : undefined;
}

/**
 * The pattern that the octets (as latin1) of every matching line meet: the longest of the needles, in whatever case. K
 * (the sign of the kelvin) and İ are the only others that are ASCII in lower case; here they stand as their UTF-8 in
 * latin1.
 */
export function prefilterOf(needles: readonly string[]): RegExp | undefined {
  const needle = needles.toSorted((a, b) => b.length - a.length)[0];
  if (needle === undefined) return undefined;
  return new RegExp(
    needle
      .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replace(/k/gi, '(?:k|\\xe2\\x84\\xaa)')
      .replace(/i/gi, '(?:i|\\xc4\\xb0)'),
    'gi',
  );
}
