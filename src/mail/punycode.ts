/**
 * Punycode (RFC 3492) back into text: what stands behind `xn--` in an A-label. The URL parser of newer Node versions
 * passes A-labels on without a look at them (WHATWG URL, "domain to ASCII"), so domain.ts looks for itself.
 */

// §5, under the names of the RFC.
const base = 36;
const tmin = 1;
const tmax = 26;
const skew = 38;
const damp = 700;
const initialBias = 72;
const initialN = 128;

const digits = 'abcdefghijklmnopqrstuvwxyz0123456789';

/**
 * Decodes lower-case letters, digits and hyphens; undefined where they are no Punycode, or stand for what is no Unicode
 * scalar value.
 */
export function decodePunycode(text: string): string | undefined {
  const delimiter = text.lastIndexOf('-');
  const output = Array.from(text.slice(0, Math.max(delimiter, 0)), (character) => character.charCodeAt(0));
  let [n, i, bias] = [initialN, 0, initialBias];
  for (let at = delimiter > 0 ? delimiter + 1 : 0; at < text.length;) {
    const delta = readDelta(text, at, bias);
    if (delta === undefined) return undefined;
    const length = output.length + 1;
    bias = adapt(delta.value, length, i === 0);
    i += delta.value;
    n += Math.floor(i / length);
    i %= length;
    if (n > 0x10ffff || (n >= 0xd800 && n <= 0xdfff)) return undefined;
    output.splice(i++, 0, n);
    at = delta.end;
  }
  return String.fromCodePoint(...output);
}

/** §6.2: a number of variable length; `end` is the index behind its last digit. */
function readDelta(text: string, start: number, bias: number): { value: number; end: number } | undefined {
  let [value, weight] = [0, 1];
  for (let [at, k] = [start, base]; ; at++, k += base) {
    const digit = digits.indexOf(text[at] ?? '-');
    if (digit < 0) return undefined;
    value += digit * weight;
    if (value > 0x7fffffff) return undefined;
    const threshold = Math.min(Math.max(k - bias, tmin), tmax);
    if (digit < threshold) return { value, end: at + 1 };
    weight *= base - threshold;
  }
}

/** §6.1 */
function adapt(delta: number, length: number, isFirst: boolean): number {
  let left = Math.floor(delta / (isFirst ? damp : 2));
  left += Math.floor(left / length);
  let k = 0;
  for (; left > ((base - tmin) * tmax) / 2; k += base) left = Math.floor(left / (base - tmin));
  return k + Math.floor(((base - tmin + 1) * left) / (left + skew));
}
