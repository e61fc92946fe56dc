/**
 * Finds the code of listed plugins: first in the operator's folders (`plugin_dirs`), then among those that ship with
 * postern. A plugin file's default export is a plugin, a check, or a function of the list's arguments that makes one.
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Check, defineCheck } from '../check.js';
import { type ListedPlugin, readPluginList } from './list.js';
import { offerOwnPackage } from './own-package.js';
import { namePlugin } from '../plugin-console.js';
import { hookNames, type Plugin } from '../plugin.js';
import { readText } from '../../settings/read-text.js';
import { errorText } from '../../mail/error-text.js';
import { type Problems, type Result, wrong } from '../../mail/result.js';

export interface LoadedPlugin {
  readonly plugin: Plugin;
  readonly listed: ListedPlugin;
}

/** Loads all plugins of the list file, in order; every problem is one line that names the place. */
export async function loadListed(
  listFile: string,
  dirs: readonly string[],
): Promise<Result<readonly LoadedPlugin[], Problems>> {
  const list = readList(listFile);
  if (!list.ok) return wrong([list.problem]);
  const plugins: LoadedPlugin[] = [];
  const problems: string[] = [];
  for (const listed of list.value) {
    const loaded = await load(listed, dirs);
    if (!loaded.ok) problems.push(`${listed.place}: ${loaded.problem}`);
    else if (plugins.some(({ plugin }) => plugin.name === loaded.value.name))
      problems.push(`${listed.place}: ${loaded.value.name} is listed twice`);
    else plugins.push({ plugin: loaded.value, listed });
  }
  return problems.length > 0 ? wrong(problems) : { ok: true, value: plugins };
}

/** The same without their places. */
export async function loadPlugins(
  listFile: string,
  dirs: readonly string[],
): Promise<Result<readonly Plugin[], Problems>> {
  const loaded = await loadListed(listFile, dirs);
  return loaded.ok ? { ok: true, value: loaded.value.map(({ plugin }) => plugin) } : loaded;
}

/** What the operator has listed, without looking for the code. */
export const readList = (listFile: string): Result<readonly ListedPlugin[]> =>
  readPluginList(listFile, { read: readText, resolve: (from, path) => resolve(dirname(from), path) });

async function load(listed: ListedPlugin, dirs: readonly string[]): Promise<Result<Plugin>> {
  const file = findPlugin(listed.name, dirs);
  if (file === undefined) return wrong(missing(listed.name, dirs));
  try {
    namePlugin(pathToFileURL(file).href, listed.name);
    const module = await moduleOf(file);
    const made =
      typeof module.default === 'function'
        ? (module.default as (args: readonly string[]) => unknown)(listed.args)
        : module.default;
    if (typeof module.default !== 'function' && listed.args.length > 0)
      return wrong(`the plugin "${listed.name}" takes no arguments`);
    const plugin = asPlugin(made, file);
    if (plugin.ok && typeof module.default !== 'function') exported.add(plugin.value);
    return plugin;
  } catch (error) {
    if (error instanceof SyntaxError) return wrong(`${file}: ${error.message}; "node --check ${file}" shows the line`);
    return wrong(`${listed.name}: ${errorText(error)}`);
  }
}

async function moduleOf(file: string): Promise<{ readonly default?: unknown }> {
  offerOwnPackage(file);
  return (await import(pathToFileURL(file).href)) as { default?: unknown };
}

/** Node takes the types out of a file by itself from 22.18 on. */
export const stripsTypes = 'typescript' in process.features && process.features.typescript !== false;
const typed = ['ts', 'mts'];
const endings = ['js', 'mjs', ...(stripsTypes ? typed : [])];

/** The file of the plugin: the first one of that name. */
export const findPlugin = (name: string, dirs: readonly string[]): string | undefined => find(name, dirs, endings);

/** The plugin that a file of that name would hold; undefined where it would hold none. */
export function pluginNameIn(file: string): string | undefined {
  const [, name, ending = ''] = /^([a-z0-9][a-z0-9_-]*)\.(\w+)$/i.exec(file) ?? [];
  return endings.includes(ending) ? name : undefined;
}

function find(name: string, dirs: readonly string[], extensions: readonly string[]): string | undefined {
  const candidates = dirs.flatMap((dir) => extensions.map((ending) => join(dir, `${name}.${ending}`)));
  return candidates.find((file) => existsSync(file));
}

function missing(name: string, dirs: readonly string[]): string {
  const source = find(name, dirs, typed);
  if (source !== undefined)
    return `${source}: Node ${process.versions.node} reads no TypeScript; 22.18 and later do, or compile it to ${name}.js`;
  return `there is no plugin "${name}" (looked for ${name}.${endings.join(', .')} in ${dirs.join(', ')})`;
}

/** Default exports that are plugins by themselves. */
const exported = new WeakSet<Plugin>();

/** Is it the same object whenever the list is read? Then it is never closed before the process ends. */
export const isExported = (plugin: Plugin): boolean => exported.has(plugin);

/** Plugins that were made of checks: the same check is the same plugin, however often the list is read. */
const ofChecks = new WeakMap<object, Plugin>();

function asPlugin(made: unknown, file: string): Result<Plugin> {
  if (typeof made !== 'object' || made === null || !('name' in made) || typeof made.name !== 'string')
    return wrong(noPlugin(file));
  const misnamed = Object.keys(made).find((key) => !isHook(key) && hookNames.some((hook) => isMeant(key, hook)));
  if (misnamed !== undefined)
    return wrong(
      `${file}: "${misnamed}" is no hook; did you mean "${hookNames.find((hook) => isMeant(misnamed, hook))}"?`,
    );
  if ('inspect' in made && typeof made.inspect === 'function') {
    if ('dataPost' in made) return wrong(`${file}: has "inspect" and "dataPost", which are the same hook`);
    const plugin = ofChecks.get(made) ?? defineCheck(made as Check);
    ofChecks.set(made, plugin);
    return { ok: true, value: plugin };
  }
  return hookNames.some((hook) => hook in made) ? { ok: true, value: made as Plugin } : wrong(noPlugin(file));
}

const isHook = (key: string): boolean => hookNames.some((hook) => hook === key);

/** `datapost`, `data_post` */
const isMeant = (key: string, hook: string): boolean => key.replace(/[_-]/g, '').toLowerCase() === hook.toLowerCase();

const noPlugin = (file: string): string =>
  `${file}: the default export is neither a plugin nor a check (an object with "name" and a hook, or "inspect")`;
