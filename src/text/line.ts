/**
 * Lines of text in styles, for whoever shows them: a terminal in colours, a page in classes, a header field in none.
 */

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'magenta' | 'cyan';

/** A piece of text of one style. */
export type Span = readonly [text: string, style?: Style];
export type Line = readonly Span[];

/** Columns, in UTF-16 units. */
export const widthOf = (line: Line): number => line.reduce((sum, [text]) => sum + text.length, 0);

export const plainText = (line: Line): string => line.map(([text]) => text).join('');
