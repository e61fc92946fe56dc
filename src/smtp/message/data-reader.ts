/**
 * The octets behind DATA → the message, wherever the stream is cut. Only CRLF . CRLF ends it (RFC 5321 §4.1.1.4), and a
 * dot is unstuffed behind CRLF only (§4.5.2). As in Postfix, any number of CRs before LF is one line end with it (some
 * clients turn CRLF into CRCRLF), a bare LF becomes CRLF and a bare CR a space (smtpd_forbid_bare_newline = normalize,
 * cleanup_replace_stray_cr_lf), before anything else sees them. But `.` CR CR LF is no end: Postfix takes it for one.
 *
 * npm smtp-server's own reader (3.21.6) walks byte by byte, passes bare CR and LF on, and spends 0.6 µs on each line
 * that begins with a dot; this one searches for line ends and copies only where it changes something.
 */

import { Buffer } from 'node:buffer';

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const SPACE = 0x20;
const nothing = Buffer.alloc(0);

export interface Read {
  /** The message's next octets: a view of the input where nothing had to be changed. */
  readonly text: Buffer;
  /** What came behind the end of data; undefined while there is none. */
  readonly rest: Buffer | undefined;
}

export class DataReader {
  /** Was there a CR or LF that stood alone? */
  sawBareNewline = false;
  #sawDot = false;
  #lineStart = true;
  /** Not decided yet: CRs at the end, or a dot at the start of a line with what follows it. */
  #held = nothing;

  /** No line of what was read begins with a dot, not even one that a bare newline has made. */
  get isDotless(): boolean {
    return !this.#sawDot && !this.sawBareNewline;
  }

  push(chunk: Buffer): Read {
    const input = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    this.#held = nothing;
    return this.#scan(input, new Output(input));
  }

  #scan(input: Buffer, output: Output): Read {
    let at = 0;
    let cr = input.indexOf(CR);
    let lf = input.indexOf(LF);
    for (;;) {
      if (this.#lineStart && input[at] === DOT) {
        if (at + 1 >= input.length) return this.#hold(input, at, output);
        if (input[at + 1] === CR) {
          if (at + 2 >= input.length) return this.#hold(input, at, output);
          if (input[at + 2] === LF) return { text: output.upTo(at), rest: input.subarray(at + 3) };
        }
        this.#sawDot = true;
        output.drop(at, 1);
        at += 1;
      }
      if (at >= input.length) return { text: output.upTo(at), rest: undefined };
      this.#lineStart = false;
      if (cr >= 0 && cr < at) cr = input.indexOf(CR, at);
      if (lf >= 0 && lf < at) lf = input.indexOf(LF, at);
      if (lf >= 0 && (cr < 0 || lf < cr)) {
        this.sawBareNewline = true;
        output.insert(lf, CR);
        at = lf + 1;
      } else if (cr < 0) {
        return { text: output.upTo(input.length), rest: undefined };
      } else if (input[cr + 1] === LF) {
        this.#lineStart = true;
        at = cr + 2;
      } else {
        const end = endOfCrs(input, cr);
        const isBare = end < input.length && input[end] !== LF;
        const spaces = isBare ? end - cr : Math.max(end - cr - maxCrs, 0);
        this.#toSpaces(output, cr, spaces);
        if (end >= input.length) return this.#hold(input, cr + spaces, output);
        if (!isBare) this.#endLine(output, cr + spaces, end);
        at = isBare ? end : end + 1;
      }
    }
  }

  #toSpaces(output: Output, at: number, count: number): void {
    if (count === 0) return;
    this.sawBareNewline = true;
    output.drop(at, count);
    for (let i = 0; i < count; i++) output.insert(at + count, SPACE);
  }

  /** One of the CRs from `at` to `lf` stays. */
  #endLine(output: Output, at: number, lf: number): void {
    this.#lineStart = true;
    if (lf - at === 1) return;
    this.sawBareNewline = true;
    output.drop(at, lf - at - 1);
  }

  #hold(input: Buffer, from: number, output: Output): Read {
    this.#held = Buffer.from(input.subarray(from));
    return { text: output.upTo(from), rest: undefined };
  }
}

/** Our choice: of a longer run those before these become spaces, so that nobody has us hold back megabytes of them. */
const maxCrs = 1000;

function endOfCrs(input: Buffer, from: number): number {
  let end = from;
  while (input[end] === CR) end++;
  return end;
}

/** The input with edits, in order; a copy is made at the first edit only. */
class Output {
  readonly #input: Buffer;
  #from = 0;
  #copy: Buffer | undefined;
  #length = 0;

  constructor(input: Buffer) {
    this.#input = input;
  }

  /** Leaves out `count` octets at `at`. */
  drop(at: number, count: number): void {
    this.#take(at);
    this.#from = at + count;
  }

  /** Puts an octet before the one at `at`. */
  insert(at: number, octet: number): void {
    this.#take(at);
    this.#length = this.#target().writeUInt8(octet, this.#length);
  }

  upTo(end: number): Buffer {
    if (this.#copy === undefined) return this.#input.subarray(this.#from, end);
    this.#take(end);
    return this.#copy.subarray(0, this.#length);
  }

  #take(end: number): void {
    this.#length += this.#input.copy(this.#target(), this.#length, this.#from, end);
    this.#from = end;
  }

  /** At worst each octet is a bare LF that becomes two. */
  #target(): Buffer {
    return (this.#copy ??= Buffer.allocUnsafe(this.#input.length * 2));
  }
}
