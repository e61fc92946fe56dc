/** What a charset makes of octets. */

export interface Decoded {
  readonly text: string;
  /** Do the octets end within a character? That one is not in the text. */
  readonly isCut: boolean;
  /** Octets to put in front of the next ones, so that these are read as the continuation. */
  readonly rest: Buffer;
}

export interface Charset {
  decode(octets: Buffer): Decoded;
}

const nothing = Buffer.alloc(0);

export const whole = (text: string): Decoded => ({ text, isCut: false, rest: nothing });

export const cutBefore = (rest: Buffer, text: string): Decoded => ({ text, isCut: true, rest });
