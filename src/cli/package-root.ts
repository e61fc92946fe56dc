/** Where the program's own files are, whether it runs from the sources or compiled. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder with package.json. */
export const packageRoot: string = find(dirname(fileURLToPath(import.meta.url)));

export const version: string = (
  JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
).version;

/** The plugins that ship with the program: beside this code, as it is beside it. */
export const pluginFolder: string = join(fileURLToPath(import.meta.url), '../../../plugins');

/** The list that ships with the program. */
export const pluginList: string = join(packageRoot, 'plugins', 'plugins');

function find(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : find(dirname(folder));
}
