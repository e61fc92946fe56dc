/** The lines of a stream of UTF-8, as they come, none longer in memory than a limit. */
import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';

/** `number` counts from 1. */
export type InputLine =
  | { readonly kind: 'line'; readonly number: number; readonly text: string }
  | { readonly kind: 'bad'; readonly number: number; readonly problem: string };

const maxLine = 16 * 1024 * 1024; // octets; the largest zone of a test is a thousandth of it
const lf = 0x0a;

/** All lines that a chunk ends, at once; the last line needs no line feed. */
export async function* linesOf(input: Readable): AsyncGenerator<readonly InputLine[]> {
  const cutter = new Cutter();
  for await (const chunk of input as AsyncIterable<Buffer | string>) {
    yield cutter.cut(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  }
  yield cutter.end();
}

class Cutter {
  /** The pieces of the line that has begun. */
  #parts: Buffer[] = [];
  #length = 0;
  #number = 0;

  cut(chunk: Buffer): readonly InputLine[] {
    const lines: InputLine[] = [];
    let at = 0;
    for (let end = chunk.indexOf(lf); end >= 0; end = chunk.indexOf(lf, at)) {
      this.#keep(chunk.subarray(at, end));
      lines.push(this.#take());
      at = end + 1;
    }
    this.#keep(chunk.subarray(at));
    return lines;
  }

  end(): readonly InputLine[] {
    return this.#length > 0 ? [this.#take()] : [];
  }

  /** Keeps a piece of the line, or only its length once the line is too long. */
  #keep(octets: Buffer): void {
    this.#length += octets.length;
    if (this.#length > maxLine) this.#parts = [];
    else if (octets.length > 0) this.#parts.push(octets);
  }

  #take(): InputLine {
    const number = ++this.#number;
    const [first = Buffer.alloc(0), ...more] = this.#parts;
    const isTooLong = this.#length > maxLine;
    this.#parts = [];
    this.#length = 0;
    if (isTooLong) return { kind: 'bad', number, problem: `longer than ${maxLine / 1024 / 1024} MiB` };
    const octets = more.length > 0 ? Buffer.concat([first, ...more]) : first;
    if (!isUtf8(octets)) return { kind: 'bad', number, problem: 'not UTF-8' };
    const text = octets.toString();
    return { kind: 'line', number, text: number === 1 ? text.replace(/^\uFEFF/, '') : text };
  }
}
