/** SMTP replies as values (RFC 5321 §4.2, enhanced codes RFC 3463). Only the listener writes them to a socket. */
import { asciiText } from './text.js';

export interface Reply {
  readonly code: number;
  /** RFC 3463, for example `5.7.1`; '' where RFC 2034 §3 wants none (greeting, EHLO, 354). */
  readonly enhanced: string;
  /** Printable ASCII, one line. */
  readonly text: string;
  /** The connection is closed behind this reply. */
  readonly close: boolean;
}

/** Makes a reply; whatever bytes the text holds, it comes out as one line of printable ASCII. */
export function reply(code: number, enhanced: string, text: string): Reply {
  return { code, enhanced, text: asciiText(text), close: code === 421 };
}

/** The same reply, after which the connection is closed. */
export const closing = (answer: Reply): Reply => ({ ...answer, close: true });

/** `550 5.7.1 text`, for logs. */
export const replyText = (answer: Reply): string =>
  [answer.code, answer.enhanced, answer.text].filter((part) => part !== '').join(' ');

/** Is the client told to try again later? */
export const isTemporary = (answer: Reply): boolean => answer.code >= 400 && answer.code < 500;
