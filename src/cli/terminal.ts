/** What commands write: coloured lines for a terminal, JSON for programs. Octets of others harm neither. */
import { printable } from '../mail/text.js';
import type { Line, Span, Style } from '../text/line.js';
import { exit } from './exit-codes.js';

export interface Terminal {
  readonly colour: boolean;
  readonly width: number;
}

/** SGR parameters: on, off. */
const codes: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  magenta: [35, 39],
  cyan: [36, 39],
};

const usualWidth = 110;
const minWidth = 60;

/** Colour is for terminals; https://no-color.org turns it off, FORCE_COLOR on where there is none. */
export function terminalOf(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  env: Readonly<Record<string, string | undefined>>,
): Terminal {
  const forced = !['', '0', undefined].includes(env['FORCE_COLOR']);
  const colour = !env['NO_COLOR'] && (forced || (stream.isTTY === true && env['TERM'] !== 'dumb'));
  return { colour, width: Math.max(minWidth, stream.columns ?? usualWidth) };
}

/** A reader that goes away early (`| head`) is no error of ours: the command ends without a word. */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.once('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? exit.ok : exit.ioError));
}

export function render(lines: readonly Line[], { colour }: Terminal): string {
  return lines.map((line) => `${line.map((span) => paint(span, colour)).join('')}\n`).join('');
}

function paint([text, style]: Span, colour: boolean): string {
  const harmless = printable(text, Infinity);
  if (!colour || style === undefined || text === '') return harmless;
  const [on, off] = codes[style];
  return `\x1b[${on}m${harmless}\x1b[${off}m`;
}

/** Text of a client, a domain or an operator, in one line, without anything that moves a cursor. */
export const shown = (text: string, max = 512): string => printable(text, max);

/**
 * One line of JSON in ASCII: what a terminal might obey is escaped, and nothing is lost. `replacer` is the argument of
 * JSON.stringify.
 */
export function jsonLine(value: unknown, replacer?: (key: string, part: unknown) => unknown): string {
  const json = JSON.stringify(value, replacer);
  return `${/[^ -~]/.test(json) ? json.replace(/[^ -~]/g, escaped) : json}\n`;
}

/** Without the flag `u`, half a surrogate pair is one character, as in the escapes of JSON. */
const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
