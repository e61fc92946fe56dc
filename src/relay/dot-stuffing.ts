/**
 * A message made transparent for DATA (RFC 5321 §4.5.2): a dot before each dot that begins a line, and the end of data.
 * Line ends are CRLF already; all other octets pass unchanged, and a message without such dots is not even copied.
 *
 * Instead of nodemailer 10.6.0's DataStream, which looks at each octet of every message.
 */
const lineFeed = 0x0a;
const dot = 0x2e;
const lineFeedDot = Buffer.from('\n.');
const endOfData = Buffer.from('.\r\n');
const lineAndEndOfData = Buffer.from('\r\n.\r\n');

/** State between the parts of one message: a line may begin with a part. */
export class DotStuffer {
  #last = lineFeed;

  /** The next part, stuffed. */
  stuff(part: Buffer): Buffer {
    const first = this.#firstDot(part);
    this.pass(part);
    return first < 0 ? part : stuffedFrom(part, first);
  }

  /** The next part, in which no line begins with a dot. */
  pass(part: Buffer): Buffer {
    this.#last = part[part.length - 1] ?? this.#last;
    return part;
  }

  #firstDot(part: Buffer): number {
    if (this.#last === lineFeed && part[0] === dot) return 0;
    const found = part.indexOf(lineFeedDot);
    return found < 0 ? -1 : found + 1;
  }

  /** What ends the data: a message without a final CRLF is given one, for the dot needs a line of its own. */
  end(): Buffer {
    return this.#last === lineFeed ? endOfData : lineAndEndOfData;
  }
}

/**
 * `first` is the index of the first dot to stuff. From there on octet by octet: a search for each dot would make
 * a message of nothing but dots cost a call a line.
 */
function stuffedFrom(part: Buffer, first: number): Buffer {
  const out = Buffer.allocUnsafe(part.length + 1 + ((part.length - first) >> 1));
  let length = part.copy(out, 0, 0, first);
  let previous = lineFeed; // that is where `first` comes from
  for (let i = first; i < part.length; i++) {
    const octet = part[i] ?? 0;
    if (octet === dot && previous === lineFeed) out[length++] = dot;
    out[length++] = octet;
    previous = octet;
  }
  return out.subarray(0, length);
}
