/**
 * What one term of a search asks of an entry: a part of a text, a whole word, an address, a size. `of` takes it out of
 * the entry.
 */
import { inAny, parseIp, parseNetwork } from '../mail/ip.js';

export interface SearchTest<E> {
  /** `domain` is the hosted one, where it does not stand in the entry itself. */
  test(entry: E, domain: string): boolean;
  /** They are texts that every matching line holds, in whatever case. */
  readonly needles: readonly string[];
}

/** `separator` stands between the texts that `of` puts together: nothing is found across it. */
export function partTest<E>(value: string, of: (entry: E) => string, separator = ''): SearchTest<E> {
  const part = value.toLowerCase();
  if (separator !== '' && part.includes(separator)) return { test: () => false, needles: [] };
  return { test: (entry) => of(entry).toLowerCase().includes(part), needles: runsOf(value) };
}

/** The stretches of a value that stand in a line's JSON as they are, whatever their case. */
export const runsOf = (value: string): readonly string[] => value.match(/[ !#-[\]-~]{2,}/g) ?? [];

/** `key` is its name in the line. */
export function exactTest<E>(key: string, value: string, of: (entry: E) => string | undefined): SearchTest<E> {
  const whole = value.toLowerCase();
  const needles = /^[\w-]*$/.test(whole) ? [`"${key}":"${whole}"`] : [];
  return { test: (entry) => of(entry)?.toLowerCase() === whole, needles };
}

/** Finds what is larger than this. */
export function sizeTest<E>(value: string, of: (entry: E) => number): SearchTest<E> | string {
  const [, digits = '', unit = ''] = /^(\d{1,12})([kmg]?)b?$/i.exec(value) ?? [];
  if (digits === '') return 'larger: needs a size, such as larger:500k';
  const minSize = Number(digits) * 1024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase());
  return { test: (entry) => of(entry) > minSize, needles: [] };
}

/** A number, or what is above or below it. */
export interface NumberAsked {
  readonly sign: '<' | '>' | '=';
  readonly number: number;
}

/** Reads `>5`, `<2`, `7.5`; undefined for anything else. */
export function numberAsked(value: string): NumberAsked | undefined {
  const [, sign, digits] = /^([<>]?)(-?\d{1,9}(?:\.\d{1,6})?)$/.exec(value) ?? [];
  if (digits === undefined) return undefined;
  return { sign: sign === '<' || sign === '>' ? sign : '=', number: Number(digits) };
}

/** Finds a number, or what is above or below one. `key` is its name in the line. */
export function numberTest<E>(
  key: string,
  value: string,
  of: (entry: E) => number | undefined,
): SearchTest<E> | string {
  const asked = numberAsked(value);
  if (!asked) return `${key}: needs a number, such as ${key}:>5`;
  const { sign, number: wanted } = asked;
  const isMeant = (number: number): boolean =>
    sign === '>' ? number > wanted : sign === '<' ? number < wanted : number === wanted;
  const test = (entry: E): boolean => {
    const number = of(entry);
    return number !== undefined && isMeant(number);
  };
  return { test, needles: [`"${key}":`] };
}

/** Finds an address by itself, by its beginning, or by its network. */
export function ipTest<E>(value: string, of: (entry: E) => string): SearchTest<E> | string {
  const ip = parseIp(value);
  if (ip) return { test: (entry) => of(entry) === ip.text, needles: [`"ip":"${ip.text}"`] };
  const network = parseNetwork(value);
  if (network) {
    const isWithin = (text: string): boolean => {
      const client = parseIp(text);
      return client !== undefined && inAny([network], client);
    };
    return { test: (entry) => isWithin(of(entry)), needles: [] };
  }
  if (/^[0-9a-f.:]+$/i.test(value)) {
    const beginning = value.toLowerCase();
    return { test: (entry) => of(entry).startsWith(beginning), needles: [`"ip":"${beginning}`] };
  }
  return 'ip: needs an address, its beginning or a network, such as ip:192.0.2.1 or ip:192.0.2.0/24';
}
