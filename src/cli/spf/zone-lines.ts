/** TXT records as lines of a zone file, with what there is to say as comments: all of it can be pasted. */
import { stringsOf } from '../../spf/flatten/flat-records.js';
import type { Line, Span, Style } from '../../text/line.js';
import { shown } from '../terminal.js';

export interface ZoneRecord {
  readonly name: string;
  readonly text: string;
}

/** `sign` stands in the first column, in the place of a space, where lines are compared. */
export function recordLines(records: readonly ZoneRecord[], sign?: Span): readonly Line[] {
  return records.flatMap(({ name, text }): readonly Line[] => {
    const mark: Line = sign === undefined ? [] : [sign, [' ']];
    const strings = stringsOf(text).map((part) => `"${shown(part).replace(/["\\]/g, '\\$&')}"`);
    const [only = '""', ...more] = strings;
    const head: Line = [...mark, [`${shown(name, 260)}.`, 'bold'], ['  IN TXT  ']];
    if (more.length === 0) return [[...head, [only, 'cyan']]];
    return [
      [...head, ['(']],
      ...strings.map((part, i): Line => [...mark, [`    ${part}`, 'cyan'], [i === strings.length - 1 ? ' )' : '']]),
    ];
  });
}

export const commentLine = (text: string, style: Style = 'dim'): Line => [[`; ${text}`, style]];
