/** A place in a text, shown by a caret below it. */
import { printable } from '../mail/text.js';
import type { Line } from './line.js';

export interface Spot {
  readonly text: string;
  /** Index of the character that is meant; the length of the text is its end. */
  readonly at: number;
  /** Columns there are. */
  readonly width: number;
}

/** The text around the place, and below it the caret with what is to be said. */
export function caretLines({ text, at, width }: Spot, said: string): readonly Line[] {
  const columns = Math.max(40, width);
  const from = at < columns - 10 ? 0 : at - Math.floor(columns / 2);
  const lead = from > 0 ? '… ' : '';
  // Each half of a surrogate pair becomes a character of its own, so that columns are indices.
  const excerpt = text
    .slice(from, from + columns)
    .split('')
    .map((character) => printable(character))
    .join('');
  const rest = from + columns < text.length ? ' …' : '';
  return [
    [[`${lead}${excerpt}${rest}`, 'cyan']],
    [[' '.repeat(lead.length + at - from)], ['^ ', 'red'], [printable(said), 'red']],
  ];
}
