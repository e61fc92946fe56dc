/** A domain's file of zones, such as `zones`, changed as a whole, comments and all. */
import path from 'node:path';
import { readInside, removeInside, replaceInside, type TreeFolder } from './inside-tree.js';
import { linesIn } from './write-lines.js';

export type ListChange =
  | { readonly kind: 'written' | 'removed'; readonly file: string; readonly old: string }
  | { readonly kind: 'same'; readonly file: string }
  | { readonly kind: 'wrong'; readonly problem: string };

export interface ListFile {
  readonly folder: TreeFolder;
  readonly list: string;
  readonly isLine: (line: string) => boolean;
}

const maxOctets = 65_536;

/** A text of white space alone removes the file. Throws on broken IO, and OutsideTree; then nothing is changed. */
export function changeList(typed: string, { folder, list, isLine }: ListFile): ListChange {
  const file = path.join(folder.root, ...folder.names, list);
  const old = readInside(folder, list);
  const text = `${typed.replaceAll(/\r\n?/g, '\n').trim()}\n`;
  if (text === '\n') {
    if (old === undefined) return { kind: 'same', file };
    removeInside(folder, list);
    return { kind: 'removed', file, old };
  }
  const problem = listProblem(text, isLine);
  if (problem !== undefined) return { kind: 'wrong', problem };
  if (text === old) return { kind: 'same', file };
  replaceInside(folder, list, text);
  return { kind: 'written', file, old: old ?? '' };
}

function listProblem(text: string, isLine: (line: string) => boolean): string | undefined {
  if (Buffer.byteLength(text) > maxOctets) return `it is larger than ${maxOctets} octets`;
  if (linesIn(text).length === 0) return 'it holds no zone; leave it empty to take it away';
  for (const [i, line] of text.split('\n').entries()) {
    const wrong = linesIn(line).find((one) => !isLine(one));
    if (wrong !== undefined)
      return `line ${i + 1}, "${wrong}", must be a zone, such as bl.example.org, or zone=127.0.0.2,127.0.0.4/30`;
  }
  return undefined;
}
