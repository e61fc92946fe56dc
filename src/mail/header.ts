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
  const text = octets.toString('latin1');
  const fields: Field[] = [];
  for (let start = 0; start < text.length;) {
    const end = endOfField(text, start);
    if (end - start !== 2 || !text.startsWith('\r\n', start)) fields.push(new ReadField(octets, text, start, end));
    start = end;
  }
  return new ReadHeader(fields);
}

/** A field goes on while the next line begins with white space. */
function endOfField(text: string, start: number): number {
  for (let end = start; ;) {
    const lf = text.indexOf('\n', end);
    end = lf < 0 ? text.length : lf + 1;
    const next = text.charCodeAt(end);
    if (next !== 0x20 && next !== 0x09) return end;
  }
}

/** Most fields are asked for their name only: what else there is of one is made when somebody wants it. */
class ReadField implements Field {
  readonly name: string;
  readonly #octets: Buffer;
  readonly #text: string;
  readonly #start: number;
  readonly #end: number;
  /** Where the value begins. */
  readonly #valueAt: number;

  constructor(octets: Buffer, text: string, start: number, end: number) {
    const colon = text.indexOf(':', start);
    const name = colon < 0 || colon >= end ? '' : text.slice(start, colon).trimEnd().toLowerCase();
    this.name = /^[!-9;-~]+$/.test(name) ? name : '';
    this.#octets = octets;
    this.#text = text;
    this.#start = start;
    this.#end = end;
    this.#valueAt = colon + 1;
  }

  get value(): string {
    if (this.name === '') return '';
    const text = this.#text.slice(this.#valueAt, this.#end);
    const isFolded = text.indexOf('\n') < text.length - 1;
    return (isFolded ? text.replace(/\r\n(?=[ \t])/g, '') : text).trim();
  }

  get raw(): Buffer {
    return this.#octets.subarray(this.#start, this.#end);
  }
}

class ReadHeader implements Header {
  readonly fields: readonly Field[];

  constructor(fields: readonly Field[]) {
    this.fields = fields;
  }

  get(name: string): string | undefined {
    const wanted = name.toLowerCase();
    return this.fields.find((field) => field.name === wanted)?.value;
  }

  all(name: string): readonly string[] {
    const wanted = name.toLowerCase();
    return this.fields.filter((field) => field.name === wanted).map((field) => field.value);
  }
}
