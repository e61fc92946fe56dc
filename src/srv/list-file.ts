/** A domain's own file that a check works by, such as `zones`, changed as a whole, comments and all. */
import path from 'node:path';
import { readInside, removeInside, replaceInside, type TreeFolder } from './inside-tree.js';
import type { KnownCheck } from './known-check.js';
import { linesWithin } from './write-lines.js';

export type ListChange =
  | { readonly kind: 'written' | 'removed'; readonly file: string; readonly old: string }
  | { readonly kind: 'same'; readonly file: string }
  | { readonly kind: 'wrong'; readonly problem: string };

export interface ListFile {
  readonly folder: TreeFolder;
  readonly list: string;
  readonly problemsOf: KnownCheck['listProblems'];
}

const maxOctets = 65_536;

/** A text of white space alone removes the file. Throws on broken IO, and OutsideTree; then nothing is changed. */
export function changeList(typed: string, { folder, list, problemsOf }: ListFile): ListChange {
  const file = path.join(folder.root, ...folder.names, list);
  const old = readInside(folder, list);
  const text = `${typed.replaceAll(/\r\n?/g, '\n').trim()}\n`;
  if (text === '\n') {
    if (old === undefined) return { kind: 'same', file };
    removeInside(folder, list);
    return { kind: 'removed', file, old };
  }
  const problem = listProblem(text, problemsOf);
  if (problem !== undefined) return { kind: 'wrong', problem };
  if (text === old) return { kind: 'same', file };
  replaceInside(folder, list, text);
  return { kind: 'written', file, old: old ?? '' };
}

function listProblem(text: string, problemsOf: ListFile['problemsOf']): string | undefined {
  if (Buffer.byteLength(text) > maxOctets) return `it is larger than ${maxOctets} octets`;
  const lines = linesWithin(text);
  if (lines.every((line) => line === '')) return 'it holds no line that counts; leave it empty to take it away';
  const first = problemsOf?.(lines).find(({ unless }) => unless === undefined);
  if (first === undefined) return undefined;
  const { line, problem } = first;
  return line === undefined ? `it ${problem}` : `line ${line}, "${lines[line - 1]}", ${problem}`;
}
