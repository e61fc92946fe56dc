/** Draws a tree of lines with box-drawing characters. What stands in the lines is its callers' business. */
import type { Line, Span } from './line.js';

export interface TreeNode {
  /** There is at least one line; further ones stand below it, before the children. */
  readonly lines: readonly Line[];
  readonly children: readonly TreeNode[];
}

export const leaf = (...lines: readonly Line[]): TreeNode => ({ lines, children: [] });

export function draw({ lines, children }: TreeNode): readonly Line[] {
  return [...lines, ...children.flatMap((child, i) => branch(child, i === children.length - 1))];
}

function branch(node: TreeNode, isLast: boolean): readonly Line[] {
  const stem: Span = [isLast ? '   ' : '│  ', 'dim'];
  const below: Span = [node.children.length > 0 ? '│  ' : '   ', 'dim'];
  const [first = [], ...more] = node.lines;
  const own = draw({ lines: [], children: node.children });
  return [
    [[isLast ? '└─ ' : '├─ ', 'dim'], ...first],
    ...more.map((line): Line => [stem, below, ...line]),
    ...own.map((line): Line => [stem, ...line]),
  ];
}
