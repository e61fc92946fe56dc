/** SMTP replies as values (RFC 5321 §4.2, enhanced codes RFC 3463). Only the listener writes them to a socket. */
import { asciiText } from './text.js';

export interface Reply {
  readonly code: number;
  /** RFC 3463, for example `5.7.1`; '' where RFC 2034 §3 wants none (greeting, EHLO, 354). */
  readonly enhanced: string;
  /** Printable ASCII, one line. */
  readonly text: string;
  /** The lines behind the first one, as EHLO's reply has them. */
  readonly further?: readonly string[];
  /** The connection is closed behind this reply. */
  readonly close: boolean;
}

/** Makes a reply; whatever bytes the text holds, it comes out as one line of printable ASCII. */
export function reply(code: number, enhanced: string, text: string): Reply {
  return { code, enhanced, text: asciiText(text), close: code === 421 };
}

/** The same reply with more lines behind its own. */
export const withLines = ({ code, enhanced, text, close }: Reply, further: readonly string[]): Reply => ({
  code,
  enhanced,
  text,
  further,
  close,
});

/** The same reply, after which the connection is closed. */
export const closing = (answer: Reply): Reply => ({ ...answer, close: true });

/** `550 5.7.1 text` in one line, for logs. */
export function replyText({ code, enhanced, text, further }: Reply): string {
  const coded = enhanced === '' ? `${code}` : `${code} ${enhanced}`;
  const first = text === '' ? coded : `${coded} ${text}`;
  return further === undefined ? first : [first, ...further.filter((line) => line !== '')].join(' ');
}

/**
 * The reply as it goes over the wire, with its line ends. Plugins of third parties make replies of their own: whatever
 * a line holds, it is written as printable ASCII.
 */
export const wireText = (answer: Reply): string => written.get(answer) ?? write(answer);

/** A reply that is said again and again: its text is written once. */
export function constant(answer: Reply): Reply {
  written.set(answer, write(answer));
  return answer;
}

const written = new WeakMap<Reply, string>();

function write({ code, enhanced, text, further }: Reply): string {
  if (further === undefined) return `${code} ${lineOf(enhanced, text)}\r\n`;
  const lines = [text, ...further].map((line) => lineOf(enhanced, line)); // RFC 2034 §4: the code stands in each line
  return lines.map((line, i) => `${code}${i < lines.length - 1 ? '-' : ' '}${line}\r\n`).join('');
}

const lineOf = (enhanced: string, text: string): string =>
  enhanced === ''
    ? asciiText(text, maxLine)
    : `${asciiText(enhanced)} ${asciiText(text, maxLine - enhanced.length - 1)}`;

/** RFC 5321 §4.5.3.1.5: 512 octets a line, less its code and its end. */
const maxLine = 506;

/** Is the client told to try again later? */
export const isTemporary = (answer: Reply): boolean => answer.code >= 400 && answer.code < 500;

/** What broke here is no verdict on the mail, and its cause is none of the client's business. */
export const localProblem = reply(451, '4.3.0', 'Temporary local problem, try again later');
