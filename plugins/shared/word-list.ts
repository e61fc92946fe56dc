/** The list files of mailers, dkim and attachments: one word a line, # comments; no plugin itself. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The words of a file, as they stand there. Throws where it cannot be read. */
export const readWordList = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((word) => word !== '');

/** The list that ships with the plugins: one folder up in the sources, and in the sources' folder once compiled. */
export function shippedList(name: string): string {
  const [source = '', compiled = ''] = [`../${name}`, `../../../plugins/${name}`].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  return existsSync(source) ? source : compiled;
}
