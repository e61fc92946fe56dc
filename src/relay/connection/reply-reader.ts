/**
 * The octets of an MTA → its replies (RFC 5321 §4.2), wherever the stream is cut. Pure: what a reply says is
 * mta-reply.ts, and what it answers is mta-connection.ts.
 */

/** A reply of any use is far shorter. */
const maxReplyOctets = 65_536;

const hyphen = 0x2d;
const carriageReturn = 0x0d;

export class ReplyReader {
  /** Lines of a reply whose last line has not come. */
  #lines = '';
  /** A line whose end has not come. */
  #rest = '';

  /** Has a part of a reply been read? */
  get isInReply(): boolean {
    return this.#lines !== '' || this.#rest !== '';
  }

  /**
   * `octets` as latin1. Calls `take` with each whole reply: its lines without CR, separated by LF. False where what
   * came is too long to be a reply; the reader is of no more use then.
   */
  read(octets: string, take: (raw: string) => void): boolean {
    const text = this.#rest + octets;
    this.#rest = '';
    let start = 0;
    for (let lf = text.indexOf('\n'); lf >= 0; lf = text.indexOf('\n', start)) {
      const line = text.slice(start, lf > start && text.charCodeAt(lf - 1) === carriageReturn ? lf - 1 : lf);
      start = lf + 1;
      if (line.charCodeAt(3) === hyphen) this.#lines += `${line}\n`;
      else {
        const raw = this.#lines + line;
        this.#lines = '';
        take(raw);
      }
      if (this.#lines.length > maxReplyOctets) return false;
    }
    this.#rest = text.slice(start);
    return this.#lines.length + this.#rest.length <= maxReplyOctets;
  }
}
