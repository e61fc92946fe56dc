/** What a marker below checks/ says by what it holds. Leaves files to folder.ts, and doing it to hooks/run.ts. */
import { parsePoints } from '../mail/verdict.js';

/**
 * What becomes of that which a check would reject: `on`: it is; `log`: it is logged, and taken; points: it is taken,
 * and so many points count against it.
 */
export type CheckMode = 'off' | 'on' | 'log' | { readonly points: number };

/**
 * Reads the words of a marker that is there: none, `log` or `score 2.5`; any others are an operator's note, and the
 * check is on. undefined: they are about a score, but name no points.
 */
export function readCheckMode(words: string): Exclude<CheckMode, 'off'> | undefined {
  if (words === '') return 'on';
  const text = words
    .replace(/(?:^|\s)#.*$/gm, '')
    .trim()
    .toLowerCase();
  if (text === 'log') return 'log';
  if (!text.startsWith('score')) return 'on';
  const points = parsePoints(/^score\s+(\S+)$/.exec(text)?.[1] ?? '');
  return points === undefined ? undefined : { points };
}

/** For people: `on`, `log` or `score 2.5`. */
export const modeText = (mode: CheckMode): string => (typeof mode === 'string' ? mode : `score ${mode.points}`);
