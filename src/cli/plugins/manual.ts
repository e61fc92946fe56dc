/** The part of postern-plugins(7) that comes from the heads of the plugins that ship with postern, in man(7) macros. */
import { readdirSync, readFileSync } from 'node:fs';
import { headOf } from '../../hooks/loading/head.js';
import { findPlugin, pluginNameIn, readList } from '../../hooks/loading/load.js';
import { roff } from '../../settings/describe.js';
import { pluginFolder, pluginList } from '../package-root.js';

/** Those of the shipped list in its order, then the others. Throws where one has no head. */
export function pluginsManual(): string {
  const list = readList(pluginList);
  const listed = list.ok ? list.value.map(({ name }) => name) : [];
  const all = new Set([...listed, ...readdirSync(pluginFolder).flatMap((file) => pluginNameIn(file) ?? [])]);
  return [...all].map((name) => `.SS ${roff(name)}\n${bodyOf(name)}`).join('\n');
}

function bodyOf(name: string): string {
  const head = headOf(readFileSync(findPlugin(name, [pluginFolder]) ?? '', 'utf8'));
  if (head === undefined)
    throw new Error(`${name}: the file does not begin with a comment, and a line without text behind it`);
  return head.text.split(/\n\n+/).flatMap(blocksOf).map(blockOf).join('\n');
}

/** Lines that are indented, and others, apart. */
function blocksOf(paragraph: string): readonly (readonly string[])[] {
  const blocks: string[][] = [];
  for (const line of paragraph.split('\n')) {
    const last = blocks.at(-1);
    if (last !== undefined && isIndented(last[0] ?? '') === isIndented(line)) last.push(line);
    else blocks.push([line]);
  }
  return blocks;
}

const isIndented = (line: string): boolean => line.startsWith('    ');

/** What is indented stands as it is, the rest is filled. */
function blockOf(lines: readonly string[]): string {
  if (!isIndented(lines[0] ?? '')) return ['.PP', ...lines.map(roffText)].join('\n');
  return ['.PP', '.nf', '.RS 4', ...lines.map((line) => roffText(line.slice(4))), '.RE', '.fi'].join('\n');
}

const named: Readonly<Record<string, string>> = { '—': '\\(em', '–': '\\(en', '…': '\\[u2026]', '§': '\\(sc' };

const roffText = (line: string): string =>
  roff(line)
    .replace(/`([^`]*)`/g, '\\fB$1\\fP')
    .replace(/[—–…§]/g, (character) => named[character] ?? '');
