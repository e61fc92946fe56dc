/**
 * The header section of a message (RFC 5322 §2.2) from its octets: fields in order, looked up without case. Lines end
 * in CRLF here: the listener has normalised them. What is no field (no colon, a leading space) is kept and never
 * found.
 */

export interface Field {
  /** Lower case. */
  readonly name: string;
  /** Unfolded, trimmed, octets as latin1. */
  readonly value: string;
  /** The field's octets, with its folds and final CRLF. */
  readonly raw: Buffer;
}

export interface Header {
  readonly fields: readonly Field[];
  /** The first field of that name (any case), unfolded and trimmed, octets as latin1; undefined when there is none. */
  get(name: string): string | undefined;
  /** The values of all fields of that name, in order. */
  all(name: string): readonly string[];
}

/** Length of the header section with the empty line behind it; undefined when there is no such line. */
export function headerEnd(octets: Buffer): number | undefined {
  if (octets[0] === 0x0d && octets[1] === 0x0a) return 2;
  const blank = octets.indexOf('\r\n\r\n');
  return blank < 0 ? undefined : blank + 4;
}

/** Splits a header section; the empty line that ends it may be there or not. */
export function parseHeader(octets: Buffer): Header {
  const fields: Field[] = [];
  let start = 0;
  while (start < octets.length) {
    const end = endOfField(octets, start);
    const raw = octets.subarray(start, end);
    if (raw.length > 2 || raw.toString('latin1') !== '\r\n') fields.push(fieldOf(raw));
    start = end;
  }
  return headerOf(fields);
}

/** A field goes on while the next line begins with white space. */
function endOfField(octets: Buffer, start: number): number {
  let end = start;
  do {
    const lf = octets.indexOf(0x0a, end);
    end = lf < 0 ? octets.length : lf + 1;
  } while (octets[end] === 0x20 || octets[end] === 0x09);
  return end;
}

function fieldOf(raw: Buffer): Field {
  const text = raw.toString('latin1');
  const colon = text.indexOf(':');
  const name = text.slice(0, Math.max(colon, 0)).trimEnd().toLowerCase();
  if (!/^[!-9;-~]+$/.test(name)) return { name: '', value: '', raw };
  return {
    name,
    value: text
      .slice(colon + 1)
      .replace(/\r\n(?=[ \t])/g, '')
      .trim(),
    raw,
  };
}

function headerOf(fields: readonly Field[]): Header {
  return {
    fields,
    get: (name) => fields.find((field) => field.name === name.toLowerCase())?.value,
    all: (name) => fields.filter((field) => field.name === name.toLowerCase()).map((field) => field.value),
  };
}
