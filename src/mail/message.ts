/** The octets of a received message, wherever they are kept, for the rooms that write them somewhere else. */

/** Lines end in CRLF, dots are unstuffed. May be read several times, until its owner discards it. */
export interface MessageSource {
  /** Octets. */
  readonly size: number;
  /** It is true where it is known that no line begins with a dot. */
  readonly isDotless?: boolean;
  /**
   * In order: an array where the message is in memory, an async iterable (which may throw on broken IO) where it is
   * on disk.
   */
  parts(): readonly Buffer[] | AsyncIterable<Buffer>;
}
