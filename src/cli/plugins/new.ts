/** `postern plugin new`: a check to begin with, its test, and the marker that tries it out. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { findPlugin, readList } from '../../hooks/loading/load.js';
import { hookNames } from '../../hooks/plugin.js';
import { parseDomain } from '../../mail/domain.js';
import { errorText } from '../../mail/error-text.js';
import { defaultFile, type Settings } from '../../settings/settings.js';
import { OutsideTree } from '../../srv/inside-tree.js';
import { BrokenMarker } from '../../srv/srv.js';
import { misused, type SettingsTask } from '../command/command.js';
import { failed, say } from '../complain.js';
import { exit } from '../exit-codes.js';
import { packageRoot, pluginList } from '../package-root.js';
import { recordCommand } from '../record.js';
import { make, quoted } from '../srv/change.js';
import { shown } from '../terminal.js';
import { foldersOf, listOf, srvOf } from '../wire.js';

export function newPlugin(task: SettingsTask): number {
  try {
    return makePlugin(task);
  } catch (error) {
    if (error instanceof BrokenMarker || error instanceof OutsideTree)
      return failed(exit.ioError, [`plugin new: ${error.message}`]);
    throw error;
  }
}

function makePlugin(task: SettingsTask): number {
  const { settings, words } = task;
  const [name, domainName, ...more] = words;
  if (name === undefined || more.length > 0) return misused(task, 'name the plugin, and a domain to try it out for');
  const problem = nameProblem(name, settings);
  if (problem !== undefined) return misused(task, problem);
  const [folder] = settings.plugin_dirs;
  if (folder === undefined)
    return misused(
      task,
      'no folder: say in plugin_dirs where your plugins are, such as plugin_dirs = /etc/postern/plugins, or once by --plugin_dirs=FOLDER',
    );
  const tree = srvOf(settings);
  const domain = domainName === undefined ? undefined : parseDomain(domainName);
  if (domainName !== undefined && (domain === undefined || !tree.isHosted(domain)))
    return misused(task, `"${shown(domainName, 300)}" is no hosted domain`);
  const written = writeFiles(folder, name);
  if (written !== undefined) return failed(exit.cantCreate, [`plugin new: ${shown(written, 500)}`]);
  if (domain !== undefined) makeMarker(settings, `${tree.folderName(domain)}/checks/${name}`);
  sayNext(name, task, domain);
  return exit.ok;
}

function nameProblem(name: string, settings: Settings): string | undefined {
  if (!/^[a-z0-9][a-z0-9_-]*$/i.test(name))
    return `"${shown(name, 100)}" is no name of a plugin (letters, digits, _ and -)`;
  if (name === 'all' || hookNames.some((hook) => hook === name)) return `"${name}" has a meaning already`;
  const file = findPlugin(name, foldersOf(settings));
  return file === undefined ? undefined : `${file} is there already`;
}

/** Returns what is wrong. */
function writeFiles(folder: string, name: string): string | undefined {
  try {
    mkdirSync(folder, { recursive: true });
    for (const [file, text] of filesOf(name)) {
      writeFileSync(join(folder, file), text, { flag: 'wx' });
      say(`wrote ${join(folder, file)}`);
    }
    linkPackage(folder);
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}

/** Tests and editors look for the package where the plugin is; postern itself does not need it. */
function linkPackage(folder: string): void {
  if (isFoundFrom(folder)) return;
  const link = join(folder, 'node_modules', 'postern');
  if (existsSync(link)) return;
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  symlinkSync(packageRoot, link);
  say(`linked ${link} to ${packageRoot}`);
}

function isFoundFrom(folder: string): boolean {
  try {
    createRequire(join(folder, 'x.js')).resolve('postern');
    return true;
  } catch {
    return false;
  }
}

function makeMarker(settings: Settings, path: string): void {
  for (const made of make(settings.srv, [path], 'log\n')) {
    say(`wrote ${join(settings.srv, path)}: log, it is only tried out`);
    if (made.isChanged)
      recordCommand(settings, { what: 'marker made', target: made.path, detail: 'log', result: 'done' });
  }
}

/** A check stands first in the list: so its points count, and the whitelist lifts what it rejects. */
function sayNext(name: string, { settings, file = defaultFile }: SettingsTask, domain: string | undefined): void {
  const [folder = ''] = settings.plugin_dirs;
  const list = listOf(settings);
  const own = join(folder, '..', 'plugins.list');
  const read = readList(list);
  const isListed = read.ok && read.value.some((one) => one.name === name);
  const steps = [
    `node --test ${quoted(join(folder, `${name}.test.mjs`))}`,
    ...(list === pluginList
      ? [`printf '${name}\\n$include ${list}\\n' >${quoted(own)}`, `echo 'plugins = ${own}' >>${quoted(file)}`]
      : isListed
        ? []
        : [`sed -i '1i ${name}' ${quoted(list)}`]),
    'postern check-config && systemctl reload postern',
    ...(domain === undefined ? [`postern srv enable DOMAIN ${name} --log`] : []),
  ];
  say('');
  say('next:');
  for (const step of steps) say(`  ${step}`);
}

/** The example that ships with postern, under the new name. */
const filesOf = (name: string): readonly (readonly [file: string, text: string])[] =>
  ['mjs', 'test.mjs'].map((ending) => {
    const example = readFileSync(join(packageRoot, 'plugins/examples', `no_bulk.${ending}`), 'utf8');
    return [`${name}.${ending}`, example.replaceAll('no_bulk', name)];
  });
