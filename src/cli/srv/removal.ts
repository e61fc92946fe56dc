/** What `postern srv remove` and `disable` are to take away: which entry of the tree a word names, and the question. */
import { createInterface } from 'node:readline/promises';
import { join, relative } from 'node:path';
import { parseAddress } from '../../mail/address.js';
import { parseDomain } from '../../mail/domain.js';
import { entryName } from '../../srv/entry-name.js';
import { countWhole } from '../../srv/inside-tree.js';
import type { Srv } from '../../srv/srv.js';
import { shown } from '../terminal.js';

/** An entry of the tree: the folders on the way, and its own name. */
export interface TreeEntry {
  readonly names: readonly string[];
  readonly name: string;
}

export function hostedOf(word: string, srv: Srv): string | undefined {
  const domain = parseDomain(word);
  return domain !== undefined && srv.isHosted(domain) ? domain : undefined;
}

/** `path` is below the domain's folder. */
export function listedEntry(srv: Srv, domain: string, path: readonly string[]): TreeEntry {
  return { names: [srv.folderName(domain), ...path.slice(0, -1)], name: path.at(-1) ?? '' };
}

/** A hosted domain, an address of one, or a path in the tree; a string says what is wrong with the word. */
export function entryNamed(word: string, srv: Srv, root: string): TreeEntry | string {
  if (word.includes('/')) return entryOfPath(word, srv, root);
  const address = parseAddress(word);
  if (address) {
    const user = entryName(address.localPart);
    if (!srv.isHosted(address.domain) || user === undefined) return `"${word}" is of no hosted domain`;
    return listedEntry(srv, address.domain, ['users', 'valid', user]);
  }
  const domain = hostedOf(word, srv);
  if (domain === undefined) return `"${word}" is no hosted domain`;
  return { names: [], name: srv.folderName(domain) };
}

function entryOfPath(word: string, srv: Srv, root: string): TreeEntry | string {
  const inTree = word.startsWith('/') ? relative(root, word) : word;
  const [first = '', ...rest] = inTree.replace(/\/+$/, '').split('/');
  const isBad = (name: string): boolean => ['', '.', '..'].includes(name) || /\p{Cc}/u.test(name);
  if ([first, ...rest].some(isBad)) return `"${word}" is nothing in ${root}`;
  const domain = hostedOf(first, srv);
  const names = [domain === undefined ? first : srv.folderName(domain), ...rest];
  return { names: names.slice(0, -1), name: names.at(-1) ?? '' };
}

/** What is to be asked before it is done; undefined for single files, which are as easily made again. */
export function removalQuestion(entries: readonly TreeEntry[], root: string): string | undefined {
  const large = entries
    .map(({ names, name }) => ({ path: join(root, ...names, name), count: countWhole({ root, names }, name) }))
    .filter(({ count }) => count > 1);
  if (large.length === 0) return undefined;
  const what = large.map(({ path, count }) => `${shown(path, 200)} with ${count - 1} entries`);
  return `remove ${what.join(', and ')}?`;
}

export async function isYes(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(?:es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
