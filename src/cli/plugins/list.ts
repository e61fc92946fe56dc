/** `postern plugins`: those of the list in their order, those that are not in it, and the manual of one. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { headOf, type PluginHead } from '../../hooks/loading/head.js';
import type { ListedPlugin } from '../../hooks/loading/list.js';
import { findPlugin, pluginNameIn, readList } from '../../hooks/loading/load.js';
import { readText } from '../../settings/read-text.js';
import type { Settings } from '../../settings/settings.js';
import type { Line, Span } from '../../text/line.js';
import { misused, type SettingsTask } from '../command/command.js';
import { failed } from '../complain.js';
import { exit } from '../exit-codes.js';
import { pluginFolder } from '../package-root.js';
import { jsonLine, render, shown, terminalOf } from '../terminal.js';
import { foldersOf, listOf } from '../wire.js';

interface KnownPlugin {
  readonly name: string;
  /** Where it stands in the list; undefined where it does not. */
  readonly listed: ListedPlugin | undefined;
  /** Undefined where there is none of that name. */
  readonly file: string | undefined;
  readonly head: PluginHead | undefined;
}

export function listPlugins(task: SettingsTask): number {
  const { settings, words, options } = task;
  const [name, ...more] = words;
  if (more.length > 0) return misused(task, 'name one plugin, or none');
  const list = readList(listOf(settings));
  if (!list.ok) return failed(exit.config, [list.problem]);
  const known = knownPlugins(list.value, settings);
  const asked = name === undefined ? known : known.filter((plugin) => plugin.name === name);
  if (asked.length === 0)
    return failed(exit.notAll, [`plugins: there is no plugin "${shown(name ?? '', 100)}"; postern plugins lists all`]);
  if (options.has('json')) for (const plugin of asked) process.stdout.write(jsonLine(facts(plugin)));
  else process.stdout.write(name === undefined ? tableOf(known, task) : manualOf(asked));
  return asked.every(({ file }) => file !== undefined) ? exit.ok : exit.notAll;
}

/** The same plugin may be listed several times, as milter is. */
function knownPlugins(list: readonly ListedPlugin[], settings: Settings): readonly KnownPlugin[] {
  const folders = foldersOf(settings);
  const others = new Set(folders.flatMap(namesIn));
  for (const { name } of list) others.delete(name);
  const known = (name: string, listed?: ListedPlugin): KnownPlugin => {
    const file = findPlugin(name, folders);
    return { name, listed, file, head: file === undefined ? undefined : headIn(file) };
  };
  return [...list.map((listed) => known(listed.name, listed)), ...[...others].toSorted().map((name) => known(name))];
}

/** A folder that cannot be read is for check-config to complain of. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).flatMap((file) => pluginNameIn(file) ?? []);
  } catch {
    return [];
  }
}

function headIn(file: string): PluginHead | undefined {
  try {
    return headOf(readText(file));
  } catch {
    return undefined;
  }
}

const facts = ({ name, listed, file, head }: KnownPlugin): object => ({
  name,
  ...(listed && { place: listed.place, args: listed.args, anywhere: listed.anywhere }),
  ...(file !== undefined && { file }),
  ...(head && { summary: head.summary }),
});

const manualOf = (asked: readonly KnownPlugin[]): string => {
  const [one] = asked;
  const lines = [
    ...(one?.head?.text ?? 'Its file has no comment at the top.').split('\n').map((line): Line => [[line]]),
    [['']] satisfies Line,
    ...asked.map((plugin): Line => [[placeOf(plugin), 'dim']]),
  ];
  return render(lines, { colour: false, width: 0 });
};

const placeOf = ({ listed, file }: KnownPlugin): string =>
  `${file ?? 'There is no such file'}, ${listed === undefined ? 'not in the list' : `listed at ${listed.place}: ${lineOf(listed)}`}`;

const lineOf = ({ name, args, anywhere }: ListedPlugin): string =>
  [name, ...args, ...(anywhere ? ['anywhere'] : [])].join(' ');

/** A column of names and arguments is no wider than this; longer ones push what follows. */
const maxColumn = 32;

function tableOf(known: readonly KnownPlugin[], { settings, env }: SettingsTask): string {
  const terminal = terminalOf(process.stdout, env);
  const [listed, others] = [known.filter((one) => one.listed), known.filter((one) => !one.listed)];
  const calls = known.map((one) => (one.listed ? lineOf(one.listed) : one.name));
  const column = Math.min(maxColumn, Math.max(...calls.map((call) => call.length)));
  const row = (plugin: KnownPlugin): Line => {
    const call = (plugin.listed ? lineOf(plugin.listed) : plugin.name).padEnd(column);
    const room = Math.max(20, terminal.width - call.length - 4);
    const text = wordsOf(plugin);
    const said: Span = plugin.file === undefined ? [shown(text, room), 'red'] : [shown(text, room)];
    return [[`  ${call}  `, 'bold'], said];
  };
  const lines: readonly Line[] = [
    [[`asked in this order (${listOf(settings)}):`]],
    ...listed.map(row),
    ...(others.length === 0 ? [] : ([[['']], [['not in the list:']], ...others.map(row)] satisfies Line[])),
    [['']],
    [['postern plugins NAME tells more; * is a plugin of your own', 'dim']],
  ];
  return render(lines, terminal);
}

function wordsOf({ file, head }: KnownPlugin): string {
  if (file === undefined) return 'there is no such plugin';
  const mark = file.startsWith(join(pluginFolder, '/')) ? '' : '* ';
  return `${mark}${head?.summary ?? 'its file has no comment at the top'}`;
}
