/**
 * What became of a mail after it was archived: one more line in the index that names the mail's file. The mail's own
 * line stays as it is, so nobody who appends or reads meanwhile is disturbed. Leaves the file to index-file.ts.
 */
import { lineStart, objectOf, safeLine } from '../../lines/json-line.js';

export type MarkKind = 'released' | 'deleted';

export interface Mark {
  /** RFC 3339. */
  readonly time: string;
  readonly kind: MarkKind;
  /** It is the name that the mail was archived under. */
  readonly filename: string;
  /** It says who did it, for people. */
  readonly by: string;
  /** It is what the local MTA said, where the mail was released. */
  readonly detail: string;
}

/** Quotes inside values are escaped, so this stands in no mail's line. */
export const markSign = '"mark":"';

export function markLine({ time, kind, filename, by, detail }: Mark): Buffer {
  const fields = { time, mark: kind, filename, by: by.slice(0, 200), detail: detail.slice(0, 500) };
  return Buffer.from(`${safeLine(JSON.stringify(fields))}\n`);
}

export function parseMark(json: string): Mark | undefined {
  if (!json.startsWith(lineStart) || !json.includes(markSign)) return undefined;
  const value = objectOf(json);
  const text = (key: string): string => (typeof value?.[key] === 'string' ? value[key] : '');
  const kind = text('mark');
  if (text('filename') === '' || (kind !== 'released' && kind !== 'deleted')) return undefined;
  return { time: text('time'), kind, filename: text('filename'), by: text('by'), detail: text('detail') };
}
