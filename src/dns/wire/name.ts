/**
 * Domain names on the wire (RFC 1035 §3.1, §4.1.4) and as text.
 *
 * Text is latin1, one character for one octet, so a label may hold any octet but the dot: what SPF's
 * `exists:%{l}…` asks for, and what neither c-ares nor npm dns-packet (UTF-8 labels) can send.
 */

/** A name read from a message; `next` is the offset behind it, before any compression pointer was followed. */
export interface DecodedName {
  readonly name: string;
  readonly next: number;
}

const maxText = 253;
const maxLabel = 63;

/**
 * The wire form; undefined when no such name can exist: over 253 octets, a label over 63, an empty label
 * or a character that is no octet. One final dot is allowed; '' is the root.
 */
export function encodeName(name: string): Buffer | undefined {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  if (bare === '') return Buffer.of(0);
  if (bare.length > maxText || /[^\0-\xff]/.test(bare)) return undefined;
  const labels = bare.split('.');
  if (labels.some((label) => label === '' || label.length > maxLabel)) return undefined;
  const octets = Buffer.alloc(bare.length + 2);
  let at = 0;
  for (const label of labels) {
    at = octets.writeUInt8(label.length, at);
    at += octets.write(label, at, 'latin1');
  }
  return octets;
}

/**
 * Reads a name; undefined when it is malformed, over-long, or has a dot inside a label, which text cannot show.
 * Pointers must go strictly backwards, so that reading ends.
 */
export function decodeName(octets: Buffer, offset: number): DecodedName | undefined {
  const labels: string[] = [];
  let at = offset;
  let floor = offset;
  let next: number | undefined;
  for (let length = 0; length <= maxText + 1;) {
    const octet = octets[at];
    if (octet === undefined) return undefined;
    if (octet === 0) return { name: labels.join('.'), next: next ?? at + 1 };
    if (octet > maxLabel) {
      next ??= at + 2;
      const target = pointerTarget(octets, at);
      if (target === undefined || target >= floor) return undefined;
      at = floor = target;
      continue;
    }
    const label = octets.toString('latin1', at + 1, at + 1 + octet);
    if (label.length !== octet || label.includes('.')) return undefined;
    labels.push(label);
    at += octet + 1;
    length += octet + 1;
  }
  return undefined;
}

function pointerTarget(octets: Buffer, at: number): number | undefined {
  const high = octets[at] ?? 0;
  const low = octets[at + 1];
  return high < 0xc0 || low === undefined ? undefined : ((high & 0x3f) << 8) | low;
}

/** The offset behind a name, without following pointers; undefined when the message ends inside it. */
export function skipName(octets: Buffer, offset: number): number | undefined {
  for (let at = offset; ;) {
    const octet = octets[at];
    if (octet === undefined) return undefined;
    if (octet === 0) return at + 1;
    if (octet > maxLabel) return pointerTarget(octets, at) === undefined ? undefined : at + 2;
    at += octet + 1;
  }
}

/** Lower case for A–Z only: octets over 0x7F have no case (RFC 4343 §3), although latin1 letters do. */
export function lowerName(name: string): string {
  if (!/[A-Z]/.test(name)) return name;
  return /[\x80-\xff]/.test(name) ? name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : name.toLowerCase();
}
