/**
 * Finds the code of listed plugins: first in the operator's folders (`plugin_dirs`), then among those that ship with
 * postern. A plugin file's default export is a plugin, a check, or a function of the list's arguments that makes one.
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Check, defineCheck } from './check.js';
import { type ListedPlugin, readPluginList } from './list.js';
import { learnsOwnPackage } from './own-package.js';
import { namePlugin } from './plugin-console.js';
import { hookNames, type Plugin } from './plugin.js';
import { readText } from '../settings/read-text.js';
import { errorText } from '../mail/error-text.js';
import { type Problems, type Result, wrong } from '../mail/result.js';

export type LoadedPlugins = Result<readonly Plugin[], Problems>;

/** Loads all plugins of the list file, in order; every problem is one line that names the place. */
export async function loadPlugins(listFile: string, dirs: readonly string[]): Promise<LoadedPlugins> {
  const list = readPluginList(listFile, {
    read: readText,
    resolve: (from, path) => resolve(dirname(from), path),
  });
  if (!list.ok) return wrong([list.problem]);
  const plugins: Plugin[] = [];
  const problems: string[] = [];
  for (const listed of list.value) {
    const loaded = await load(listed, dirs);
    if (!loaded.ok) problems.push(`${listed.place}: ${loaded.problem}`);
    else if (plugins.some(({ name }) => name === loaded.value.name))
      problems.push(`${listed.place}: ${loaded.value.name} is listed twice`);
    else plugins.push(loaded.value);
  }
  return problems.length > 0 ? wrong(problems) : { ok: true, value: plugins };
}

async function load(listed: ListedPlugin, dirs: readonly string[]): Promise<Result<Plugin>> {
  const file = findFile(listed.name, dirs);
  if (file === undefined)
    return wrong(`there is no plugin "${listed.name}" (looked for ${listed.name}.js and .mjs in ${dirs.join(', ')})`);
  try {
    namePlugin(pathToFileURL(file).href, listed.name);
    const module = await moduleOf(file);
    const made =
      typeof module.default === 'function'
        ? (module.default as (args: readonly string[]) => unknown)(listed.args)
        : module.default;
    if (typeof module.default !== 'function' && listed.args.length > 0)
      return wrong(`the plugin "${listed.name}" takes no arguments`);
    const plugin = asPlugin(made);
    if (plugin) return { ok: true, value: plugin };
    return wrong(
      `${file}: the default export is neither a plugin nor a check (an object with "name" and a hook, or "inspect")`,
    );
  } catch (error) {
    if (error instanceof SyntaxError) return wrong(`${file}: ${error.message}; "node --check ${file}" shows the line`);
    return wrong(`${listed.name}: ${errorText(error)}`);
  }
}

async function moduleOf(file: string): Promise<{ readonly default?: unknown }> {
  const url = pathToFileURL(file).href;
  try {
    return (await import(url)) as { default?: unknown };
  } catch (error) {
    if (!learnsOwnPackage(error)) throw error;
    return (await import(`${url}?again`)) as { default?: unknown }; // Node remembers that the first failed
  }
}

function findFile(name: string, dirs: readonly string[]): string | undefined {
  const candidates = dirs.flatMap((dir) => [join(dir, `${name}.js`), join(dir, `${name}.mjs`)]);
  return candidates.find((file) => existsSync(file));
}

function asPlugin(made: unknown): Plugin | undefined {
  if (typeof made !== 'object' || made === null || !('name' in made) || typeof made.name !== 'string') return undefined;
  if ('inspect' in made && typeof made.inspect === 'function') return defineCheck(made as Check);
  return hookNames.some((hook) => hook in made) ? (made as Plugin) : undefined;
}
