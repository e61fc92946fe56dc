/**
 * Writes a domain's file of lines, such as `expire`, so that who reads it meanwhile sees the old lines or the new ones.
 */
import { readInside, removeInside, replaceInside, type TreeFolder } from './inside-tree.js';

/** The lines without comments. Empty ones stay, so that the numbers of the others are right. */
export const linesWithin = (text: string): readonly string[] =>
  text.split('\n').map((line) => line.replace(/(?:^|\s)#.*$/, '').trim());

/** The lines that count: without comments, and without empty ones. */
export const linesIn = (text: string): readonly string[] => linesWithin(text).filter((line) => line !== '');

/**
 * Writes the lines below the comments that stand on lines of their own; with no lines the file is removed. Returns what
 * the file held before. Broken IO and OutsideTree throw, and nothing is changed.
 */
export function writeLines(folder: TreeFolder, name: string, lines: readonly string[]): string {
  const before = readInside(folder, name) ?? '';
  const comments = before.split('\n').filter((line) => line.trimStart().startsWith('#'));
  if (lines.length === 0) removeInside(folder, name);
  else replaceInside(folder, name, [...comments, ...lines, ''].join('\n'));
  return before;
}
