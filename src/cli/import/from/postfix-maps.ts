/** Postfix's look-up tables, as far as a file of text is behind them: what is in a database stays there. */
import type { ForeignFolder } from '../foreign.js';
import { logicalLines } from './postfix-main.js';

export interface MapEntry {
  readonly key: string;
  readonly value: string;
  readonly from: string;
}

export type PostfixMap =
  | { readonly kind: 'table'; readonly entries: readonly MapEntry[] }
  /** Networks in order. */
  | { readonly kind: 'networks'; readonly entries: readonly MapEntry[] }
  | { readonly kind: 'patterns' }
  /** `why`: a directory, a database … */
  | { readonly kind: 'elsewhere'; readonly why: string };

/** Those that postmap makes of a text, which has the same name without a suffix. */
const fromText = new Set(['hash', 'btree', 'dbm', 'lmdb', 'cdb', 'sdbm', 'texthash']);

/** `hash:/etc/postfix/virtual`, `proxy:…` before it; undefined for what is no table. */
export function readMap(spec: string, folder: ForeignFolder): PostfixMap | undefined {
  const [, type = '', path = ''] = /^([a-z]+):(.+)$/.exec(spec.replace(/^proxy:/, '')) ?? [];
  if (type === '') return undefined;
  if (type === 'regexp' || type === 'pcre') return { kind: 'patterns' };
  if (type === 'cidr') return { kind: 'networks', entries: entriesOf(path, folder) };
  if (fromText.has(type) && folder.has(path)) return { kind: 'table', entries: entriesOf(path, folder) };
  return {
    kind: 'elsewhere',
    why: fromText.has(type) ? `${path} is not there as text` : `${type} is asked by Postfix alone`,
  };
}

function entriesOf(path: string, folder: ForeignFolder): readonly MapEntry[] {
  return logicalLines(folder.text(path) ?? '').map((line) => {
    const [, key = '', value = ''] = /^("(?:[^"\\]|\\.)*"|\S+)\s*(.*)$/s.exec(line) ?? [];
    return { key: key.replace(/^"(.*)"$/, '$1'), value, from: `${path.split('/').at(-1) ?? ''}: ${key}` };
  });
}
