/** The pages of docs/: their fenced blocks, and what each says that is to be done with it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/cli/package-root.js';

export interface Block {
  /** `docs/first-hour.md:12`: the line of its first fence. */
  readonly place: string;
  /** `sh`, `ini`; '' where the page says none. */
  readonly language: string;
  /** What stands behind the language: `host`, `file=/etc/postern.conf`. */
  readonly words: readonly string[];
  readonly text: string;
}

export interface Page {
  /** `docs/first-hour.md` */
  readonly name: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

export const pages = (): readonly Page[] =>
  readdirSync(join(packageRoot, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .toSorted()
    .map((name) => pageNamed(`docs/${name}`));

export function pageNamed(name: string): Page {
  const text = readFileSync(join(packageRoot, name), 'utf8');
  return { name, text, blocks: blocksIn(name, text) };
}

function blocksIn(name: string, text: string): readonly Block[] {
  return [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map(({ index, 1: info = '', 2: block = '' }) => {
    const [language = '', ...words] = info.trim().split(/\s+/);
    return { place: `${name}:${text.slice(0, index).split('\n').length}`, language, words, text: block };
  });
}

/** Is it commands that a test runs? */
export const isRun = ({ language, words }: Block): boolean =>
  language === 'sh' && (words.length === 0 || words.join(' ') === 'endless');
/** Where the block is written, and by which operator. */
export const fileOf = ({ words }: Block): readonly [operator: string, path: string] | undefined => {
  const [, operator, path] = words.map((word) => /^file(\+?=)(\/.*)$/.exec(word)).find((match) => match) ?? [];
  return operator === undefined || path === undefined ? undefined : [operator, path];
};
