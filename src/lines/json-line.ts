/**
 * What every line of JSON that we append to a file has in common: it holds no raw control, bidirectional or other
 * invisible character (JSON's escapes lose nothing), it is at most 16 kB long, and it begins alike. Lines of which
 * there is one a mail are put together from fields: that costs half of what JSON.stringify does. Leaves the keys to
 * those who write lines.
 */

/** Octets of a line, its newline included. */
export const maxLine = 16_384;

/**
 * How every line begins. Quotes inside values are escaped, so this stands nowhere else in a line: a good line glued
 * behind a torn one is found by it.
 */
export const lineStart = '{"time":"';

/** Makes the line anew with shorter and shorter values until it fits. `json` gets the UTF-16 units of a value. */
export function fittingLine(json: (maxValue: number) => string): Buffer {
  for (let maxValue = maxLine; ; maxValue /= 2) {
    const line = Buffer.from(`${json(maxValue)}\n`);
    if (line.length <= maxLine || maxValue <= 32) return line;
  }
}

/**
 * JSON without a raw control, bidirectional or other invisible character, a line or paragraph separator, half a
 * surrogate pair.
 */
export const safeLine = (json: string): string =>
  /^[ -~]*$/.test(json) ? json : json.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, unitsOf);

/** Most texts are plain ASCII, which stands in JSON as it is. */
const plain = /^[ !#-[\]-~]*$/;

/** A text as it stands between the quotes of a safe line. */
export const escaped = (text: string): string =>
  plain.test(text) ? text : safeLine(JSON.stringify(text).slice(1, -1));

/** A field that stands behind another one; nothing where there is no value. */
export const textField = (name: string, value: string | undefined): string =>
  value === undefined ? '' : `,"${name}":"${escaped(value)}"`;

/** The same for a number, which is finite. */
export const numberField = (name: string, value: number | undefined): string =>
  value === undefined ? '' : `,"${name}":${value}`;

/** Never cuts between the two halves of a surrogate pair; a text that was cut ends in `…`. */
export function cut(value: string, maxValue: number): string {
  if (value.length <= maxValue) return value;
  const kept = value.slice(0, maxValue - 1);
  return `${/[\ud800-\udbff]$/.test(kept) ? kept.slice(0, -1) : kept}…`;
}

function unitsOf(character: string): string {
  let text = '';
  for (let i = 0; i < character.length; i++) text += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  return text;
}

/** A list, of which each item is given as JSON. */
export function listText<T>(items: readonly T[], json: (item: T) => string): string {
  let text = '';
  for (const item of items) text += text === '' ? json(item) : `,${json(item)}`;
  return `[${text}]`;
}

/** undefined for what is no JSON, or no object. */
export function objectOf(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Is this number a count of octets? JSON's 1e999 is read as Infinity, which could not be written again. */
export const octetsOf = (size: unknown): number =>
  typeof size === 'number' && Number.isSafeInteger(size) && size > 0 ? size : 0;
