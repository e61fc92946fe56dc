/** The MTAs' configuration files as docs/in-front-of.md shows them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/cli/package-root.js';

/** The block below the first mention of the file; it listens on this port in the place of 10025. */
export function recipe(file: string, port: number): string {
  const page = readFileSync(join(packageRoot, 'docs/in-front-of.md'), 'utf8');
  const mentioned = page.indexOf(`\`${file}\``);
  const block = mentioned < 0 ? undefined : /^```text\n(.*?)^```$/ms.exec(page.slice(mentioned))?.[1];
  if (block === undefined) throw new Error(`docs/in-front-of.md shows no ${file}`);
  return block.replaceAll('10025', String(port));
}
